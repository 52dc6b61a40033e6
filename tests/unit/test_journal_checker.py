"""`check_journal` finds each way in which a journal can contradict itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from persistq.errors import JournalMissing
from persistq.items import Item, item_id_of
from persistq.journal.base import Batch, Command
from persistq.journal.sqlite import open_journal
from persistq.peer import Peer
from persistq.testing import check_journal

COMMAND = Command("python", ("etl.py",), "/", Peer("host", 1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sound journal: queue 1 has one item of each fate and a second run, queue 2 is settled."""
    path = tmp_path / "sales.db"
    journal = open_journal(path)
    load = journal.begin_load("pipeline")
    journal.begin_run(load.load_id, COMMAND)
    row = journal.add_queue(load.load_id, 0, "clean")
    row.next_n, row.done, row.dropped, row.parked = 5, 1, 1, 1
    ids = [item_id_of(row.queue_id, n) for n in range(1, 5)]
    puts = [Item(item_id, 0, b"1") for item_id in ids]
    journal.commit(
        Batch(puts=puts, done=ids[:1], dropped=ids[1:2], parked=ids[2:3], queues={1: row})
    )
    journal.begin_run(load.load_id, COMMAND)
    ended = journal.begin_load("queue")
    journal.begin_run(ended.load_id, COMMAND)
    row = journal.add_queue(ended.load_id, 0, "store")
    row.next_n, row.done, row.sealed_total = 2, 1, 1
    only = item_id_of(row.queue_id, 1)
    journal.commit(
        Batch(puts=[Item(only, 0, b"1")], done=[only], queues={2: row}, settled_load=ended.load_id)
    )
    journal.close()
    return path


def test_sound_journal_has_no_problems(path: Path) -> None:
    """All four fates of an item, and a settled load, are in order."""
    assert check_journal(path) == []


def test_missing_journal_is_not_sound(tmp_path: Path) -> None:
    """A test that checks the wrong path must not pass."""
    with pytest.raises(JournalMissing):
        check_journal(tmp_path / "sales.db")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("INSERT INTO done_log VALUES (1 << 40 | 9, 0)", "done_log has 1 rows that put_log lacks"),
        ("INSERT INTO parked VALUES (1 << 40 | 9)", "parked has 1 rows that put_log lacks"),
        ("INSERT INTO parked VALUES (1 << 40 | 1)", "1 items are both in done_log and in parked"),
        ("UPDATE done_log SET outcome = 7 WHERE item_id = 1 << 40 | 1", "outcome that does not"),
        ("INSERT INTO drop_reason VALUES (1 << 40 | 1, 'x')", "drop_reason has 1 rows of items"),
        ("INSERT INTO put_log VALUES (9 << 40 | 1, 0, x'31')", "rows of queues that do not exist"),
        (
            "INSERT INTO put_log VALUES (1 << 40 | 5, 0, x'31')",
            "put_log has 5 items, next_n says 4",
        ),
        ("DELETE FROM put_log WHERE item_id = 1 << 40 | 4", "put_log has 3 items, next_n says 4"),
        ("UPDATE put_log SET item_id = item_id + 4 WHERE item_id = 1 << 40 | 4", "without gaps"),
        ("UPDATE queue SET done = 2 WHERE queue_id = 1", "1 items are done, its counters say 2"),
        ("UPDATE queue SET dropped = 2 WHERE queue_id = 1", "1 items are dropped, its counters"),
        (
            "UPDATE queue SET parked = 0 WHERE queue_id = 1",
            "1 items are parked, its counters say 0",
        ),
        ("UPDATE queue SET done = 0 WHERE queue_id = 1", "1 items are outstanding, its counters"),
        ("UPDATE queue SET sealed_total = 3 WHERE queue_id = 1", "sealed with 3 items and has 4"),
        (
            "UPDATE queue SET sealed_total = NULL WHERE queue_id = 2",
            "settled, and it is not sealed",
        ),
        (
            "DELETE FROM done_log WHERE item_id = 2 << 40 | 1",
            "0 items are done, its counters say 1",
        ),
        ("UPDATE load SET state = 'settled' WHERE load_id = 1", "settled, and 1 items are outst"),
        ("UPDATE load SET ended_at = NULL", "a state that contradicts their end"),
        ("UPDATE run SET ended_at = started_at", "an end without a result"),
        ("UPDATE run SET uuid = 'FF' || substr(uuid, 3) WHERE run_id = 1", "1 runs have a uuid"),
        ("UPDATE put_span SET run_id = 3 WHERE put_before = 4", "1 rows whose run and queue are"),
        ("UPDATE put_span SET put_before = 5 WHERE put_before = 4", "1 rows that begin behind"),
        ("UPDATE put_span SET run_id = 2 WHERE queue_id = 1", "1 rows whose runs are out of order"),
        ("DELETE FROM put_span WHERE put_before = 0", "2 queues have items of which it is not rec"),
        ("DELETE FROM put_span WHERE put_before = 4", "1 queues have a last span that is not of"),
        (
            """INSERT INTO failure (item_id, kind, type, message, traceback, pid, at)
            VALUES (77, 'crash', '', '', '', 0, '')""",
            "failure has 1 rows of items that put_log lacks",
        ),
    ],
)
def test_each_contradiction_is_found(path: Path, damage: str, problem: str) -> None:
    """One statement that damages the journal is enough to be told."""
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(damage).rowcount > 0
    assert problem in "\n".join(check_journal(path))


def test_damaged_file_is_reported(path: Path) -> None:
    """A file whose pages are overwritten is not sound."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'parked'")
        connection.commit()
    assert "quick_check" in "\n".join(check_journal(path))
