"""Who may write: one at a time, one process, and none any more after closing or being killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from persistq.blocks import count_of
from persistq.errors import JournalUnavailable, PersistqError
from persistq.journal.base import Journal
from persistq.journal.batch import Batch
from persistq.journal.queuerow import QueueRow
from persistq.journal.run import RunResult
from persistq.testing.contract import refused, same, true
from persistq.testing.journals.feed import COMMAND, Feed
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()

WRITING: Final[Mapping[str, Callable[[Feed], object]]] = {
    "begin_load": lambda feed: feed.journal.begin_load("queue"),
    "abandon_load": lambda feed: feed.journal.abandon_load(feed.load.load_id),
    "begin_run": lambda feed: feed.journal.begin_run(feed.load.load_id, COMMAND),
    "end_run": lambda feed: feed.journal.end_run(feed.run_id, RunResult.DONE, ""),
    "add_queue": lambda feed: feed.journal.add_queue(feed.load.load_id, 1, "other"),
    "rename_queues": lambda feed: feed.journal.rename_queues({feed.row.queue_id: "other"}),
    "worker": lambda feed: feed.begin_worker(),
    "departure": lambda feed: feed.end_worker(),
    "ending": lambda feed: feed.note_ending(),
    "puts": lambda feed: feed.put(1),
    "synced puts": lambda feed: feed.put(1, synced=True),
    "done": lambda feed: feed.done(1),
    "settle": lambda feed: feed.journal.commit(Batch(settled_load=feed.load.load_id)),
    "flush": lambda feed: feed.journal.flush(),
    "unpark": lambda feed: feed.unpark(2),
}


@RULES.check_each(WRITING)
def who_was_overtaken_records_nothing_more(place: JournalPlace, writing: str) -> None:
    """Who opens a journal takes it over: whoever had it open before is refused, every time."""
    feed = place.feed()
    feed.put(3)
    feed.park(2)
    owner = place.open()
    before = _contents(owner, feed)
    for _ in range(2):
        with refused(JournalUnavailable):
            WRITING[writing](feed)
    same(_contents(owner, feed), before)


@RULES.check
def next_one_sees_the_last_commit_of_the_one_before(place: JournalPlace) -> None:
    """Who takes a journal over sees all that was committed, and goes on from there."""
    feed = place.feed()
    feed.put(3)
    feed.done(2)
    heir = feed.carried_on(place.open())
    same((heir.row.put, heir.row.done, heir.outstanding()), (3, 1, [1, 3]))
    heir.put(2)
    with refused(JournalUnavailable):
        feed.done(1)
    heir.done(1)
    same(heir.outstanding(), [3, 4, 5])


@RULES.check
def who_was_overtaken_closes_without_a_trace(place: JournalPlace) -> None:
    """What it had committed stays, and the other one goes on."""
    feed = place.feed()
    feed.put(3)
    heir = feed.carried_on(place.open())
    with suppress(JournalUnavailable):
        feed.journal.close()
    heir.put(1)
    same(heir.carried_on(place.open()).outstanding(), [1, 2, 3, 4])


@RULES.check
def closing_can_be_repeated(place: JournalPlace) -> None:
    """Closing twice is harmless, and everything that was committed is there afterwards."""
    feed = place.feed()
    feed.put(1)
    feed.journal.close()
    feed.journal.close()
    same(feed.carried_on(place.open()).outstanding(), [1])


@RULES.check
def opening_changes_nothing(place: JournalPlace) -> None:
    """Opening and closing leave loads, queues and items as they were."""
    feed = place.feed()
    feed.put(3)
    feed.park(2)
    before = _contents(feed.journal, feed)
    place.reopen()
    same(_contents(place.reopen(), feed), before)


@RULES.check
def another_process_is_refused(place: JournalPlace) -> None:
    """A forked child cannot use the journal of its parent, nor close it."""
    feed = place.feed()
    child = os.fork()
    if not child:
        os._exit(_refusals(feed.journal))
    refusals = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    same(refusals, 3, "refusals of flush, latest_load and close")
    feed.put(1)
    same(feed.outstanding(), [1])


@RULES.check
def killed_process_leaves_what_it_has_committed(place: JournalPlace) -> None:
    """A commit that has returned survives the death of its process, synced or not."""

    def commit_and_say_so(journal: Journal, say: Callable[[], object]) -> None:
        feed = Feed(journal)
        feed.put(3, synced=True)
        feed.done(2)
        say()
        signal.pause()

    place.in_a_process_that_is_killed(commit_and_say_so)
    (row,) = _queues_of_the_latest(place.open())
    same((row.put, row.done), (3, 1))


@RULES.check_each(range(3))
def killed_process_leaves_batches_whole(place: JournalPlace, attempt: int) -> None:
    """A process that is killed at any moment leaves all of a batch, or nothing of it."""

    def commit_for_ever(journal: Journal, say: Callable[[], object]) -> None:
        feed = Feed(journal)
        while True:
            feed.row.done += 1
            feed.commit(Batch(puts=feed.singles(3), done=feed.ranges([feed.row.put])))
            if feed.row.done == 1 + 10 * attempt:
                say()

    place.in_a_process_that_is_killed(commit_for_ever)
    journal = place.open()
    (row,) = _queues_of_the_latest(journal)
    true(row.done > 10 * attempt, "less is recorded than was committed")
    same(row.put, 3 * row.done, "items put")
    put = journal.put_page(0, 1 << 62, 1 << 20, 1 << 30)
    outstanding = journal.outstanding_page(0, 1 << 62, 1 << 20, 1 << 30)
    same((count_of(put), count_of(outstanding)), (row.put, row.outstanding))


def _contents(journal: Journal, feed: Feed) -> object:
    """Return everything that a journal says of a load and its queue."""
    load_id, queue_id = feed.load.load_id, feed.row.queue_id
    return (
        journal.latest_load(),
        journal.load(load_id),
        journal.queues(load_id),
        journal.put_spans(queue_id),
        journal.failed_attempts(load_id),
        journal.parked_ids(queue_id),
        journal.next_worker_id(),
        journal.next_spool_id(),
        journal.put_page(0, 1 << 62, 1 << 20, 1 << 30),
        journal.outstanding_page(0, 1 << 62, 1 << 20, 1 << 30),
    )


def _refusals(journal: Journal) -> int:
    """Return how many of three uses are refused, one of them to close."""
    count = 0
    for use in (journal.flush, journal.latest_load, journal.close):
        try:
            use()
        except PersistqError:
            count += 1
    return count


def _queues_of_the_latest(journal: Journal) -> list[QueueRow]:
    load = journal.latest_load()
    return journal.queues(load.load_id) if load is not None else []
