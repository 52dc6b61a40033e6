"""Reading a journal's file: by its keys, in pages, and while the broker writes."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from persistq.errors import JournalCorrupt, JournalForeign, JournalMissing, JournalUnavailable
from persistq.items import Failure, FailureKind, Item
from persistq.journal import marks, queries
from persistq.journal.batch import Batch
from persistq.journal.load import LoadState
from persistq.journal.sqlite import open_journal
from persistq.journal.sqlite_reader import SqliteReader
from persistq.testing.journals.feed import Feed


def test_page_that_ends_early_keeps_no_snapshot(feed: Feed) -> None:
    """The log can be folded back after a page that stopped at its bytes."""
    feed.put(50, bytes(1000))
    feed.outstanding(bytes_max=1)
    connection = feed.journal._writer._connection
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0


@pytest.mark.parametrize(("name", "searches"), [("BLOCKS", 2), ("SPOOL_BLOCKS", 2), ("ENDED", 3)])
def test_pages_are_read_by_primary_key(feed: Feed, name: str, searches: int) -> None:
    """The plan searches by key only: no scan of a table, and no sorting."""
    names = "first_id", "last_id", "after_id", "first_place", "last_place"
    values = dict.fromkeys(names, 9)
    with closing(sqlite3.connect(feed.journal.path)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {getattr(queries, name)}", values).fetchall()
    steps = [step for *_, step in plan if not step.startswith(("SCALAR", "MERGE", "LEFT", "RIGHT"))]
    assert len(steps) == searches
    assert all(step.startswith("SEARCH") and "INTEGER PRIMARY KEY" in step for step in steps)


def test_reader_sees_what_the_open_writer_commits(feed: Feed, path: Path) -> None:
    """Reading needs no pause of the broker, and blocks none of its commits."""
    feed.put(2)
    with SqliteReader(path) as reader:
        iterator = reader.outstanding(page=1)
        assert next(iterator).item_id == feed.id(1)
        feed.put(1)
        feed.done(2)
        assert [item.item_id for item in iterator] == [feed.id(3)]
        view = reader.view()
    assert (view.name, view.path) == ("sales", str(path))
    assert view.load == feed.load
    assert view.run is not None
    assert view.run.run_id == feed.run_id
    assert view.queues == (feed.row,)
    assert (view.outstanding, view.parked, view.unfinished) == (2, 0, True)


def test_reader_pages_over_all_queues_of_the_latest_load(feed: Feed, path: Path) -> None:
    """Items of earlier loads are read by their queue only."""
    feed.put(1)
    first = Feed(feed.journal)
    second = Feed(feed.journal, 1, first.load)
    first.put(3)
    second.put(3)
    first.done(2)
    with SqliteReader(path) as reader:
        ids = [item.item_id for item in reader.outstanding(page=2)]
        earlier = [item.item_id for item in reader.outstanding(feed.row.queue_id)]
        assert [load.load_id for load in reader.loads()] == [1, 2]
    assert ids == [first.id(1), first.id(3), second.id(1), second.id(2), second.id(3)]
    assert earlier == [feed.id(1)]


def test_parked_items_come_with_their_last_failure(feed: Feed, path: Path) -> None:
    """An item that was parked without a failure is listed too."""
    feed.put(3)
    feed.park(1, 3)
    failures = [Failure(feed.id(1), FailureKind.EXCEPTION, "KeyError", text) for text in "ab"]
    feed.journal.commit(Batch(failures=failures))
    with SqliteReader(path) as reader:
        found = list(reader.parked(page=1))
    assert [(item.item_id, failure) for item, failure in found] == [
        (feed.id(1), failures[1]),
        (feed.id(3), None),
    ]


def test_view_of_an_empty_journal_has_no_load(path: Path) -> None:
    """A journal in which nothing began is no unfinished one."""
    open_journal(path).close()
    with SqliteReader(path) as reader:
        view = reader.view()
    assert (view.load, view.run, view.queues, view.unfinished) == (None, None, (), False)


def test_reader_leaves_a_killed_journal_readable(feed: Feed, path: Path) -> None:
    """What is still in the log is read without the index that its writer left behind."""
    feed.put(3)
    copy = path.parent / "copy"
    copy.mkdir()
    for suffix in ("", "-wal"):
        (copy / f"sales.db{suffix}").write_bytes(Path(f"{path}{suffix}").read_bytes())
    with SqliteReader(copy / "sales.db") as reader:
        assert reader.view().outstanding == 3
    with closing(open_journal(copy / "sales.db")) as journal:
        load = journal.latest_load()
        assert load is not None
        assert load.state is LoadState.OPEN


def test_reader_never_creates(path: Path) -> None:
    """A journal that is missing, or has no bytes, is reported and not made."""
    with pytest.raises(JournalMissing):
        SqliteReader(path)
    assert not path.parent.exists()
    path.parent.mkdir()
    path.touch()
    with pytest.raises(JournalMissing):
        SqliteReader(path)
    assert path.stat().st_size == 0


def test_reader_refuses_foreign_and_older_files(path: Path, tmp_path: Path) -> None:
    """Marks are checked before anything is read."""
    (tmp_path / "x.db").write_bytes(b"no database")
    with pytest.raises(JournalForeign):
        SqliteReader(tmp_path / "x.db")
    open_journal(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {marks.SCHEMA_VERSION - 1}")
    with pytest.raises(JournalUnavailable, match="older persistq"):
        SqliteReader(path)


def test_journal_at_rest_is_read_in_a_directory_that_cannot_be_written(
    feed: Feed, path: Path
) -> None:
    """SQLite would make its files beside the journal; at rest there is a way without."""
    feed.put(2)
    feed.journal.close()
    path.parent.chmod(0o500)
    try:
        if os.access(path.parent, os.W_OK):
            pytest.skip("this user may write everywhere")
        with SqliteReader(path) as reader:
            assert reader.view().outstanding == 2
    finally:
        path.parent.chmod(0o700)


def damage(path: Path, where: str) -> None:
    """Change the bytes of a block, from outside."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE put_block SET data = CAST('[9,9]' AS BLOB) WHERE {where}")
        connection.commit()


def test_damaged_block_is_named_by_its_items(feed: Feed, path: Path) -> None:
    """Whoever reads is told which items cannot be read, after those before them."""
    feed.put_together(2)
    feed.put_together(3)
    feed.put(1)
    feed.park(6)
    feed.journal.close()
    damage(path, f"first_id <> {feed.id(1)}")
    with SqliteReader(path) as reader:
        items = reader.outstanding()
        assert [next(items).item_id, next(items).item_id] == [feed.id(1), feed.id(2)]
        with pytest.raises(JournalCorrupt, match=f"items {feed.id(3)} to {feed.id(5)} cannot be"):
            next(items)
        with pytest.raises(JournalCorrupt, match=f"item {feed.id(6)} cannot be read"):
            next(reader.parked())


def test_missing_block_is_told(feed: Feed, path: Path) -> None:
    """At whichever end it is, or in the middle; what is before it is not lost for that."""
    feed.put(2)
    feed.put_together(2)
    feed.put(1)
    feed.journal.close()
    for n in (1, 3, 5):
        copy = path.with_name(f"{n}.db")
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o600)
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("DELETE FROM put_block WHERE first_id = ?", (feed.id(n),))
            connection.commit()
        with (
            SqliteReader(copy) as reader,
            pytest.raises(JournalCorrupt, match=f"item {feed.id(n)} is not where it should be"),
        ):
            list(reader.outstanding())


def test_items_of_a_load_that_was_given_up_are_not_missed(feed: Feed, path: Path) -> None:
    """Its rows are gone on purpose; parked items stay."""
    feed.put(3)
    feed.park(2)
    feed.done(1, 3)
    feed.fail(1)
    feed.settle()
    feed.journal.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM put_block WHERE first_id <> ?", (feed.id(2),))
        connection.execute("DELETE FROM done_range")
        connection.execute("UPDATE load SET purged_at = '2026-01-01T00:00:00.000000+00:00'")
        connection.commit()
    with SqliteReader(path) as reader:
        assert list(reader.outstanding()) == []
        assert [item.item_id for item, _ in reader.parked()] == [feed.id(2)]
        assert [attempt.item for attempt in reader.latest_failures([feed.row], 9)] == [None]
        (load,) = reader.loads()
    assert load.purged_at is not None


def test_failures_are_shown_with_their_item(feed: Feed, path: Path) -> None:
    """The newest first; where the item's bytes are damaged there is none."""
    feed.put_together(2)
    feed.put(1)
    for n in (1, 2, 3):
        feed.fail(n, retry_at=2e9)
    feed.journal.close()
    damage(path, f"first_id = {feed.id(1)}")
    with SqliteReader(path) as reader:
        latest = reader.latest_failures([feed.row], 2)
    assert [attempt.failure.item_id for attempt in latest] == [feed.id(3), feed.id(2)]
    assert [attempt.item for attempt in latest] == [Item(feed.id(3), 1, b"payload"), None]
    assert latest[0].failure.retry_at == 2e9
