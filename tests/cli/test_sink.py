"""``persistq sink sql``: the SQL for people who may not make tables."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from persistq.sinks import Key, Sink

from .acting import Call, Ledger, Record


def test_the_sql_of_a_dialect_makes_the_table(call: Call) -> None:
    """What is printed can be run as it is, and again."""
    result = call("sink", "sql", "--dialect", "sqlite")
    assert result.exit_code == 0
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(result.stdout)
        connection.execute(result.stdout)
        names = [row[1] for row in connection.execute("PRAGMA table_info(persistq_receipt)")]
    assert names == ["run", "first_item", "last_item", "outputs", "files"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("postgresql://me:secret@nowhere/x",), "run uuid NOT NULL"),
        (
            ("postgresql+psycopg2://me:secret@nowhere/x", "--schema", "etl"),
            '"etl".persistq_receipt',
        ),
        (("--dialect", "mysql"), "outputs LONGTEXT"),
        (("--dialect", "oracle"), "item NUMBER(19) NOT NULL"),
        (("--dialect", "mssql", "--schema", "etl"), "CREATE TABLE etl.persistq_receipt"),
    ],
)
def test_nobody_is_connected_to(call: Call, words: tuple[str, ...], found: str) -> None:
    """The URL only says which dialect it is."""
    result = call("sink", "sql", *words)
    assert result.exit_code == 0
    assert found in result.stdout
    assert "secret" not in result.output


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("sqlite://", "--dialect", "sqlite"),
        ("nosuch://me:secret@host/x",),
        ("secret.db",),
        ("--dialect", "sqlite", "--schema", "a b"),
    ],
)
def test_wrong_words_are_told_in_one_sentence(call: Call, words: tuple[str, ...]) -> None:
    """And what was typed is not repeated: it may hold a password."""
    result = call("sink", "sql", *words)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "secret" not in result.output


def receipts_of(ledger: Ledger, target: Path, *numbers: int) -> str:
    """Leave receipts of items in a target; return its URL."""
    with closing(sqlite3.connect(ledger.journal.path)) as connection:
        [(run,)] = connection.execute("SELECT uuid FROM run").fetchall()
    loader = Sink(f"sqlite:///{target}").open()
    for n in numbers:
        loader.load([Key(run, ledger.id(n))], lambda _, places: [None] * len(places))
    loader.close()
    return f"sqlite:///{target}"


def left(ledger: Ledger, target: Path) -> list[int]:
    """Return the numbers of the items whose receipts are there."""
    with closing(sqlite3.connect(target)) as connection:
        found = connection.execute("SELECT first_item FROM persistq_receipt ORDER BY 1").fetchall()
    return [item - ledger.id(0) for (item,) in found]


def test_receipts_that_an_ended_load_has_left_are_deleted(
    call: Call, record: Record, tmp_path: Path
) -> None:
    """But for those of parked items, which may be retried, and may be stored."""
    ledger, target = record("sales"), tmp_path / "target.db"
    ledger.put(*range(4))
    ledger.fail(2, "WorkerDied", "it died")
    url = receipts_of(ledger, target, 1, 2, 3)
    ledger.done(1)
    assert call("sink", "purge", "sales", url).stderr.endswith("target.db: 0\n")
    ledger.done(3, 4)
    ledger.row.sealed_total = ledger.row.put
    ledger.settle()
    done = call("sink", "purge", "sales", url)
    assert done.exit_code == 0
    assert done.stderr.endswith("target.db: 2\n")
    assert left(ledger, target) == [2]


def test_receipts_of_an_abandoned_load_stay_while_it_can_be_carried_on(
    call: Call, record: Record, tmp_path: Path
) -> None:
    """An outstanding item may be stored; who says that nobody will carry it on gives them up."""
    ledger, target = record("sales"), tmp_path / "target.db"
    ledger.put(*range(3))
    url = receipts_of(ledger, target, 1, 2)
    ledger.done(1)
    ledger.journal.abandon_load(ledger.load_id)
    assert call("sink", "purge", "sales", url).stderr.endswith("target.db: 1\n")
    assert left(ledger, target) == [2]
    assert call("sink", "purge", "sales", url, "--abandoned").stderr.endswith(": 1\n")
    assert left(ledger, target) == []


def test_a_mistyped_file_is_told_and_not_made(call: Call, record: Record, tmp_path: Path) -> None:
    """Nor is a table made in a database that has none."""
    record("sales")
    target = tmp_path / "wharehouse.db"
    result = call("sink", "purge", "sales", f"sqlite:///{target}")
    assert result.exit_code == 2
    assert f"there is no file {target}" in result.stderr
    assert not target.exists()
    with closing(sqlite3.connect(target)) as connection:
        connection.execute("CREATE TABLE sales (n)")
    result = call("sink", "purge", "sales", f"sqlite:///{target}")
    assert result.exit_code == 2
    assert "there is no table of receipts, persistq_receipt" in result.stderr
    with closing(sqlite3.connect(target)) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("sales",)]


def test_a_load_that_does_not_exist_has_no_receipts(
    call: Call, record: Record, tmp_path: Path
) -> None:
    """Wrong words delete nothing."""
    record("sales")
    result = call("sink", "purge", "sales", f"sqlite:///{tmp_path}/target.db", "--load", "7")
    assert result.exit_code == 2
    assert "there is no load 7" in result.stderr
