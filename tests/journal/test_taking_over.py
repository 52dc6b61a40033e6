"""Of two who write one journal, the one who opened it last goes on, and the other is told."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from feed import COMMAND, Feed

from persistq.errors import JournalUnavailable
from persistq.journal.base import Batch, Ending, RunResult, WorkerRecord
from persistq.journal.connection import log_of
from persistq.journal.sqlite import SqliteJournal, open_journal
from persistq.journal.sqlite_reader import writer_of
from persistq.site.processes import this_process
from persistq.testing import check_journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENDING = Ending(1, -9, 9, None, out_of_memory=False)

WRITING: dict[str, Callable[[SqliteJournal, Feed], object]] = {
    "begin_load": lambda journal, feed: journal.begin_load("queue"),
    "abandon_load": lambda journal, feed: journal.abandon_load(feed.load.load_id),
    "begin_run": lambda journal, feed: journal.begin_run(feed.load.load_id, COMMAND),
    "end_run": lambda journal, feed: journal.end_run(feed.run_id, RunResult.DONE, ""),
    "add_queue": lambda journal, feed: journal.add_queue(feed.load.load_id, 1, "other"),
    "worker": lambda journal, feed: journal.commit(
        Batch(workers=[WorkerRecord(1, feed.row.queue_id, this_process())])
    ),
    "departure": lambda journal, feed: journal.commit(Batch(departures={1: "left"})),
    "ending": lambda journal, feed: journal.commit(Batch(endings=[ENDING])),
    "puts": lambda journal, feed: feed.put(1),
    "synced puts": lambda journal, feed: feed.put(1, synced=True),
    "done": lambda journal, feed: feed.done(1),
    "settle": lambda journal, feed: journal.commit(Batch(settled_load=feed.load.load_id)),
    "flush": lambda journal, feed: journal.flush(),
    "unpark": lambda journal, feed: feed.unpark(),
    "clear_digests": lambda journal, feed: journal.clear_digests(feed.row.queue_id),
    "add_digests": lambda journal, feed: journal.add_digests(feed.row.queue_id, [b"x"]),
    "take_digests": lambda journal, feed: journal.take_digests(feed.row.queue_id, [b"x"]),
}


def rows(path: Path) -> dict[str, list[Any]]:
    """Return all rows of a journal but who may write it."""
    tables = "load", "run", "queue", "put_log", "done_log", "parked", "item_key", "worker"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}


@pytest.mark.parametrize("writing", WRITING)
def test_who_was_overtaken_records_nothing_more(writing: str, feed: Feed, path: Path) -> None:
    """Whatever it wants to record, and however often; it is told who has overtaken it."""
    feed.put(3)
    with closing(open_journal(path)):
        before = rows(path)
        for _ in range(2):
            with pytest.raises(JournalUnavailable, match=f"process {os.getpid()} on .* has opened"):
                WRITING[writing](feed.journal, feed)
        assert rows(path) == before
    assert check_journal(path) == []


def test_the_next_one_sees_the_last_commit_of_the_one_before(feed: Feed, path: Path) -> None:
    """It raises the epoch before it reads, so that nothing can come in between."""
    feed.put(3)
    feed.done(2)
    with closing(open_journal(path)) as second:
        (row,) = second.queues(feed.load.load_id)
        assert (row.put, row.done) == (3, 1)
        second.begin_run(feed.load.load_id, COMMAND)
        heir = Feed(second, 1, feed.load)
        heir.put(2)
        with pytest.raises(JournalUnavailable):
            feed.done(1)
        heir.done(1)
    assert check_journal(path) == []


def test_who_was_overtaken_closes_without_a_trace(feed: Feed, path: Path) -> None:
    """What it had committed stays, and the other one goes on."""
    feed.put(3)
    with closing(open_journal(path)) as second:
        with pytest.raises(JournalUnavailable, match="has opened it"):
            feed.journal.close()
        second.begin_run(feed.load.load_id, COMMAND)
        Feed(second, 1, feed.load).put(1)
    assert check_journal(path) == []
    with closing(open_journal(path)) as third:
        assert [row.put for row in third.queues(feed.load.load_id)] == [3, 1]


def test_an_opening_that_comes_to_nothing_leaves_all_rows_as_they_were(
    feed: Feed, path: Path
) -> None:
    """Not even the last run looks as if it had been alive until now."""
    feed.put(3)
    feed.journal.close()
    before = rows(path)
    open_journal(path).close()
    assert rows(path) == before


def test_a_journal_says_who_has_opened_it_last(feed: Feed, path: Path) -> None:
    """That is what a broker that is refused tells."""
    assert writer_of(path) == f"process {os.getpid()} on {os.uname().nodename}"
    assert writer_of(path.with_name("none.db")) == "another process"


@pytest.mark.parametrize("which", ["file", "log"])
def test_what_is_synced_into_a_file_that_was_taken_away_is_not_acknowledged(
    which: str, feed: Feed, path: Path
) -> None:
    """The commit is looked at once it is made; nobody is told that it is safe."""
    feed.put(3, synced=True)
    place = path if which == "file" else log_of(path)
    place.unlink()
    with pytest.raises(JournalUnavailable, match="was deleted or replaced while in use"):
        feed.put(1, synced=True)


def test_a_deleted_log_takes_nothing_with_it(feed: Feed, path: Path) -> None:
    """The writer still has it, and folds it into the file as it leaves."""
    feed.put(3, synced=True)
    log_of(path).unlink()
    with pytest.raises(JournalUnavailable):
        feed.put(1, synced=True)
    with pytest.raises(JournalUnavailable):
        feed.journal.close()
    assert check_journal(path) == []
    with closing(open_journal(path)) as again:
        (row,) = again.queues(feed.load.load_id)
        assert row.put == 4
