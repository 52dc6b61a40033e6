"""Which commits are synced, and what the journal refuses to go on with."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from persistq import failpoints
from persistq.errors import JournalUnavailable
from persistq.journal.batch import Batch
from persistq.journal.faults import is_final
from persistq.journal.sqlite import SqliteJournal, open_journal
from persistq.testing.journals.feed import Feed

NORMAL, FULL = 1, 2


def level(journal: SqliteJournal) -> int:
    """Return how the last transaction was synced."""
    return int(journal._writer._connection.execute("PRAGMA synchronous").fetchone()[0])


def log_size(journal: SqliteJournal) -> int:
    """Return the bytes in the write-ahead log."""
    return Path(f"{journal.path}-wal").stat().st_size


def test_commits_are_synced_when_asked(feed: Feed) -> None:
    """Puts may ask for FULL, and everything else is NORMAL."""
    feed.put(1, synced=True)
    assert level(feed.journal) == FULL
    feed.done(1)
    assert level(feed.journal) == NORMAL
    feed.settle()
    assert level(feed.journal) == FULL


def test_full_durability_syncs_every_commit(path: Path) -> None:
    """With ``durability="full"`` no commit is left to a flush."""
    with closing(open_journal(path, durability="full")) as journal:
        feed = Feed(journal)
        feed.put(1)
        assert level(journal) == FULL
        assert not journal._writer.unsynced


def test_flush_writes_to_the_log_with_full_after_a_normal_commit(feed: Feed) -> None:
    """Only a transaction that changes something syncs the log, so flush changes something."""
    feed.put(1)
    before = log_size(feed.journal)
    feed.journal.flush()
    assert level(feed.journal) == FULL
    after = log_size(feed.journal)
    assert after > before
    feed.journal.flush()
    assert log_size(feed.journal) == after


def test_flush_without_any_run_still_writes(journal: SqliteJournal) -> None:
    """There may be commits to sync before the first run began."""
    row = journal.add_queue(journal.begin_load("queue").load_id, 0, "q")
    journal.commit(Batch(queues={row.queue_id: row}))
    before = log_size(journal)
    journal.flush()
    assert log_size(journal) > before
    assert level(journal) == FULL


@pytest.mark.parametrize("replacement", [None, b""])
def test_lost_file_is_noticed(feed: Feed, path: Path, replacement: bytes | None) -> None:
    """Flush and settling refuse to report success for a file that is no longer there."""
    feed.put(1)
    path.rename(path.with_name("moved"))
    if replacement is not None:
        path.write_bytes(replacement)
    for act in (feed.journal.flush, feed.settle):
        with pytest.raises(JournalUnavailable, match="deleted or replaced"):
            act()


def test_close_folds_the_log_back(feed: Feed, path: Path) -> None:
    """After closing, the file alone is the journal."""
    feed.put(1)
    feed.journal.close()
    assert [p.name for p in path.parent.iterdir()] == ["sales.db"]
    with closing(open_journal(path)) as journal:
        assert len(journal.put_page(0, 1 << 62, 9, 1 << 20)) == 1


def test_close_releases_the_file_even_when_it_cannot_flush(feed: Feed, path: Path) -> None:
    """A failure while closing is reported once, and the connection is gone."""
    feed.put(1)
    path.unlink()
    with pytest.raises(JournalUnavailable):
        feed.journal.close()
    feed.journal.close()


def test_nothing_is_recorded_after_an_error_that_cannot_be_repaired(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed fsync a second one proves nothing, so the journal gives up."""
    monkeypatch.setattr("persistq.journal.writer.is_final", lambda error: True)
    monkeypatch.setattr(failpoints, "_armed", failpoints._parse("journal.before_commit:error:EIO"))
    with pytest.raises(JournalUnavailable, match="Input/output error"):
        feed.put(1)
    with pytest.raises(JournalUnavailable, match="nothing more is recorded"):
        feed.done(1)


@pytest.mark.parametrize(("code", "final"), [(1034, True), (11, True), (13, False), (778, False)])
def test_failed_sync_and_damage_are_final(code: int, final: bool) -> None:
    """A failed fsync or damage ends the use; a full disk or a failed write does not."""
    error = OSError()
    error.sqlite_errorcode = code  # type: ignore[attr-defined]
    assert is_final(error) is final
