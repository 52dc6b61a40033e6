"""Of two who write one journal, the one who opened it last goes on, and the other is told."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from persistq.errors import JournalUnavailable
from persistq.journal.connection import log_of
from persistq.journal.sqlite import open_journal
from persistq.journal.sqlite_reader import writer_of
from persistq.testing.journals.feed import Feed

from .opaque import contradictions

if TYPE_CHECKING:
    from pathlib import Path


def rows(path: Path) -> dict[str, list[Any]]:
    """Return all rows of a journal but who may write it."""
    tables = "load", "run", "queue", "put_block", "done_range", "parked", "turn", "worker"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}


def test_who_was_overtaken_is_told_by_whom_and_leaves_no_row(feed: Feed, path: Path) -> None:
    """Neither as it writes nor as it closes, and what it had committed stays."""
    feed.put(3)
    overtaken = pytest.raises(JournalUnavailable, match=f"process {os.getpid()} on .* has opened")
    with closing(open_journal(path)):
        before = rows(path)
        with overtaken:
            feed.put(1)
        with overtaken:
            feed.journal.close()
        assert rows(path) == before
    assert contradictions(path) == []


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
    assert contradictions(path) == []
    with closing(open_journal(path)) as again:
        (row,) = again.queues(feed.load.load_id)
        assert row.put == 4
