"""The contract suites notice what is broken, and say so in words."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from persistq import PersistentQueue
from persistq.items import FailureKind
from persistq.journal.base import Journal
from persistq.journal.batch import Batch
from persistq.journal.sqlite import SqliteJournal, open_journal
from persistq.testing import (
    ContractBroken,
    check_journal_contract,
    journal_contract_checks,
    queue_contract_checks,
)


@contextmanager
def a_file() -> Iterator[Callable[[], Journal]]:
    """Make room for a journal."""
    with tempfile.TemporaryDirectory() as directory:
        yield lambda: open_journal(Path(directory, "sales.db"))


def nothing(*args: Any, **options: Any) -> None:
    """Do nothing at all."""


def only_once(journal: SqliteJournal) -> None:
    """Close, but not twice."""
    journal._writer.close()


def without_counters(journal: SqliteJournal, batch: Any) -> None:
    """Commit what a batch has, but for the counters."""
    batch.queues = {}
    commit(journal, batch)


def in_pieces(journal: SqliteJournal, batch: Any) -> None:
    """Commit the puts of a batch before its ends."""
    commit(journal, Batch(puts=batch.puts, queues=batch.queues))
    batch.puts = []
    commit(journal, batch)


def cursors_first(journal: SqliteJournal, batch: Any) -> None:
    """Commit the cursors of a batch before its puts."""
    commit(journal, Batch(cursors=batch.cursors, queues=batch.queues))
    commit(journal, batch)


def without_sources(journal: SqliteJournal, batch: Any) -> None:
    """Commit what a batch has, but for what it says of sources."""
    batch.source_spans, batch.ended_sources = [], []
    commit(journal, batch)


def unforgiving(journal: SqliteJournal, batch: Any) -> None:
    """Commit what a batch has, but leave parked what was parked."""
    batch.unparked = batch.discarded = []
    commit(journal, batch)


def counting_deferrals(journal: SqliteJournal, batch: Any) -> None:
    """Commit what a batch has, and call what is put off a failure."""
    changed = {FailureKind.DEFERRED: FailureKind.EXCEPTION}
    batch.failures = [replace(one, kind=changed.get(one.kind, one.kind)) for one in batch.failures]
    commit(journal, batch)


def halfway(journal: SqliteJournal, batch: Any) -> None:
    """Commit what a batch drops, and not what it puts for it."""
    batch.puts = [] if batch.by_hand else batch.puts
    commit(journal, batch)


def boundless(journal: SqliteJournal, after: int, last: int, limit: int, most: int) -> Any:
    """Return a page of any length."""
    return outstanding_page(journal, after, last, 1 << 20, 1 << 30)


commit, outstanding_page = SqliteJournal.commit, SqliteJournal.outstanding_page

FAULTS: dict[str, tuple[str, Callable[..., Any]]] = {
    "abandoned_load_stays": ("abandon_load", nothing),
    "last_cursor_is_kept": ("cursor", lambda journal, queue_id: None),
    "last_checkpoint_is_kept_until_its_item_ends": ("checkpoint", lambda journal, item_id: None),
    "cursor_is_not_recorded_without_its_items": ("commit", cursors_first),
    "natural_keys_lie_with_their_items": ("digest", lambda journal, item_id: b""),
    "what_was_left_out_is_counted": ("commit", without_counters),
    "keys_are_noted_when_their_load_is_settled": ("note_done_keys", nothing),
    "what_comes_of_an_item_counts_as_well": ("note_done_keys", nothing),
    "edited_item_keeps_its_key": ("digest", lambda journal, item_id: bytes(16)),
    "noted_keys_outlive_their_load_and_can_be_forgotten": ("forget_done_keys", lambda journal: 2),
    "sources_stay_as_they_were_recorded": ("rename_source", nothing),
    "end_of_a_source_is_recorded": ("commit", without_sources),
    "spans_tell_which_source_has_put_what": ("commit", without_sources),
    "what_was_put_lately_is_told_with_its_time": ("put_since", lambda *_: []),
    "reopened_load_has_no_end_and_is_not_the_open_one": ("reopen_load", nothing),
    "parameters_come_back_as_they_were": ("params", lambda journal, load_id: {}),
    "left_by_others_are_parked_and_outstanding_items": (
        "left_by_others",
        lambda journal, load_id: [],
    ),
    "queues_can_take_each_others_names": ("rename_queues", nothing),
    "batch_is_recorded_with_everything_in_it": ("commit", without_counters),
    "killed_process_leaves_what_it_has_committed": ("commit", nothing),
    "item_done_twice_takes_the_whole_batch_back": ("commit", in_pieces),
    "page_stays_within_its_bounds": ("outstanding_page", boundless),
    "an_item_that_is_put_off_has_one_failure_for_that": ("commit", counting_deferrals),
    "failures_are_counted_of_outstanding_items": ("failed_attempts", lambda journal, load_id: []),
    "unparked_items_are_outstanding_and_forgiven": ("commit", unforgiving),
    "some_parked_items_can_be_unparked": ("parked_ids", lambda journal, queue_id: []),
    "item_dropped_by_hand_is_dropped_for_good": ("commit", unforgiving),
    "edited_item_is_dropped_and_put_at_once": ("replacements", lambda journal, queue_id: []),
    "killed_process_leaves_an_edit_whole": ("commit", halfway),
    "numbers_of_workers_never_come_again": ("next_worker_id", lambda journal: 1),
    "numbers_of_spools_never_come_again": ("next_spool_id", lambda journal: 1),
    "what_is_streamed_is_known_until_its_item_has_ended": ("streamed", lambda journal, item_id: []),
    "who_was_overtaken_records_nothing_more[flush]": ("flush", nothing),
    "another_process_is_refused": ("latest_load", lambda journal: None),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_journal_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the check whose rule it breaks."""
    (check,) = (check for check in journal_contract_checks() if check.name == name)
    check(a_file)
    monkeypatch.setattr(SqliteJournal, *FAULTS[name])
    with pytest.raises(ContractBroken, match=f"{check.rule} Found: "):
        check(a_file)


QUEUE_FAULTS: dict[str, tuple[str, Callable[..., Any]]] = {
    "too_many_task_done_raise": ("task_done", nothing),
    "item_that_cannot_be_stored_is_refused_by_put": ("put", nothing),
    "mark_all_done_finishes_the_rest": ("mark_all_done", lambda queue: 0),
    "outstanding_skips_done_and_parked_items": ("outstanding", lambda queue: iter([])),
    "context_manager_closes": ("close", nothing),
    "item_that_is_retried_is_handed_out_again": ("attempt", lambda queue: 1),
    "more_time_can_be_asked_for_what_is_in_hand": ("extend", lambda queue, *args: None),
    "task_failed_is_for_good": ("task_failed", lambda queue, error: queue.task_retry(error=error)),
    "held_back_items_wait_for_their_release": ("qsize", lambda queue: 2),
}


@pytest.mark.parametrize("name", QUEUE_FAULTS)
def test_a_broken_queue_is_noticed(
    name: str, journal_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the check whose rule it breaks."""

    @contextmanager
    def make() -> Iterator[Callable[..., Any]]:
        yield partial(PersistentQueue, "work")

    (check,) = (check for check in queue_contract_checks() if check.name == name)
    monkeypatch.setattr(PersistentQueue, *QUEUE_FAULTS[name])
    with pytest.raises(ContractBroken, match=f"{check.rule} Found: "):
        check(make)


def test_the_suite_goes_on_and_names_each_check_that_does_not_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One sentence for each: its name, what should hold, and what was found instead."""
    monkeypatch.setattr(SqliteJournal, "rename_queues", nothing)
    monkeypatch.setattr(SqliteJournal, "params", lambda journal, load_id: {})
    with pytest.raises(ContractBroken) as caught:
        check_journal_contract(a_file)
    names = [line.partition(":")[0] for line in caught.value.broken]
    assert {"parameters_come_back_as_they_were", "queues_can_take_each_others_names"} < set(names)
    assert str(caught.value) == "\n".join(caught.value.broken)
    assert (
        "queues_can_take_each_others_names: Names are changed all at once, so that two queues can "
        "swap theirs. Found: ['a', 'b', 'c'] instead of ['b', 'a', 'c']."
    ) in caught.value.broken


def test_names_are_unique_and_every_rule_is_a_sentence() -> None:
    """A name has to lead to one check."""
    for checks in (journal_contract_checks(), queue_contract_checks()):
        assert len({check.name for check in checks}) == len(checks) > 60
        assert all(check.rule.endswith(".") for check in checks)


UNOPTIMISED = """
import tempfile
from contextlib import contextmanager
from pathlib import Path
from persistq.journal.sqlite import SqliteJournal, open_journal
from persistq.testing import ContractBroken, check_journal_contract

@contextmanager
def make():
    with tempfile.TemporaryDirectory() as directory:
        yield lambda: open_journal(Path(directory, "sales.db"))

check_journal_contract(make)
print("kept")
SqliteJournal.rename_queues = lambda journal, names: None
try:
    check_journal_contract(make)
except ContractBroken as error:
    print("broken", len(error.broken))
"""


@pytest.mark.parametrize("option", ["-O", "-OO"])
def test_nothing_holds_only_because_python_leaves_out_what_checks(option: str) -> None:
    """Without assert statements, and without docstrings, the same is found."""
    done = subprocess.run(
        [sys.executable, option, "-c", UNOPTIMISED],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("kept\nbroken 2\n", "", 0)


def test_importing_the_suites_loads_no_database() -> None:
    """Nor pytest, nor what else is heavy; each name is loaded when it is used."""
    code = (
        "import sys, persistq.testing as t; before = len(sys.modules); t.check_journal_contract;"
        "print(*({'sqlite3', 'sqlalchemy', 'alembic', 'pytest', 'multiprocessing'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
