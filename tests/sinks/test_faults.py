"""What errors mean is read from numbers, as real databases give them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from persistq.sinks.faults import SQLITE_CODES, SQLSTATES, Fault, fault_of

from .targets import KINDS, Place, key


class Stated(Exception):
    """An error with a number, as a driver makes it."""

    def __init__(self, **facts: object) -> None:
        super().__init__(facts)
        self.__dict__.update(facts)


@pytest.mark.parametrize(
    ("state", "fault"),
    {
        "08006": Fault.AWAY,
        "57P01": Fault.AWAY,
        "57P03": Fault.AWAY,
        "53100": Fault.AWAY,
        "53300": Fault.AWAY,
        "25006": Fault.AWAY,
        "58030": Fault.AWAY,
        "40001": Fault.CONFLICT,
        "40P01": Fault.CONFLICT,
        "55P03": Fault.CONFLICT,
        "40002": Fault.DATA,
        "40003": Fault.AWAY,
        "22001": Fault.DATA,
        "23505": Fault.DATA,
        "P0001": Fault.DATA,
        "42P01": Fault.OTHER,
        "57014": Fault.OTHER,
        "25P02": Fault.OTHER,
    }.items(),
)
@pytest.mark.parametrize("attribute", ["sqlstate", "pgcode"])
def test_an_sqlstate_means_one_thing(state: str, fault: Fault, attribute: str) -> None:
    """By its longest beginning that is known, whichever driver carries it."""
    assert fault_of(Stated(**{attribute: state})) is fault


def test_a_code_of_sqlite_means_one_thing() -> None:
    """Extended codes mean what their primary code does."""
    for code, (fault, _) in SQLITE_CODES.items():
        assert fault_of(Stated(sqlite_errorcode=code)) is fault
        assert fault_of(Stated(sqlite_errorcode=code | 7 << 8)) is fault
    assert fault_of(Stated(sqlite_errorcode=1)) is Fault.OTHER


def test_an_error_of_the_program_is_no_fault_of_the_target() -> None:
    """Nor is one that only happened while another was handled."""
    assert fault_of(ValueError("x")) is Fault.OTHER
    error = ValueError("x")
    error.__context__ = Stated(sqlstate="08006")
    assert fault_of(error) is Fault.OTHER


def test_an_error_raised_from_another_means_what_that_does() -> None:
    """Handlers wrap errors; what they name as its cause counts."""
    outer = RuntimeError("cannot store")
    outer.__cause__ = ValueError("in between")
    outer.__cause__.__cause__ = Stated(sqlstate="40P01")
    assert fault_of(outer) is Fault.CONFLICT
    outer.__cause__.__cause__.__cause__ = outer
    assert fault_of(ValueError("x")) is Fault.OTHER


DATA = {
    "not null": "INSERT INTO rows VALUES (NULL, 'x')",
    "check": "INSERT INTO rows VALUES (-1, 'x')",
    "primary key": "INSERT INTO persistq_receipt (run) VALUES (NULL)",
}
FOR_SERVERS = {
    "too long": f"INSERT INTO rows VALUES (1, '{'x' * 101}')",
    "out of range": "INSERT INTO rows VALUES (3000000000, 'x')",
    "no number": "INSERT INTO rows VALUES (CAST('x' AS integer), 'x')",
    "no date": "SELECT CAST('2026-02-30' AS date)",
    "division": "SELECT 1 / 0",
}


@pytest.mark.parametrize("what", [*DATA, *FOR_SERVERS])
def test_what_a_row_holds_is_at_fault(place: Place, what: str) -> None:
    """Constraints and types, whoever the driver is."""
    if what in FOR_SERVERS and not KINDS[place.kind].server:
        return

    def attempt(connection: Any, positions: Any) -> list[None]:
        run = getattr(connection, "exec_driver_sql", connection.execute)
        run((DATA | FOR_SERVERS)[what])
        return [None]

    (ending,) = place.open().load([key(1)], attempt)
    assert ending.fault is Fault.DATA  # type: ignore[union-attr]


def test_a_file_that_somebody_else_writes_is_a_conflict(tmp_path: Path) -> None:
    """SQLite is busy."""
    path = tmp_path / "x.db"
    with (
        closing(sqlite3.connect(path)) as first,
        closing(sqlite3.connect(path, timeout=0)) as other,
    ):
        first.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as caught:
            other.execute("BEGIN IMMEDIATE")
    assert fault_of(caught.value) is Fault.CONFLICT


@pytest.mark.parametrize(("file", "fault"), [("missing/x.db", Fault.AWAY), ("x.db", Fault.OTHER)])
def test_a_file_that_cannot_be_opened_is_away(tmp_path: Path, file: str, fault: Fault) -> None:
    """A directory that is not mounted; a table that is missing is the program's error."""
    with (
        pytest.raises(sqlite3.Error) as caught,
        closing(sqlite3.connect(tmp_path / file)) as connection,
    ):
        connection.execute("SELECT * FROM nothing")
    assert fault_of(caught.value) is fault


def test_a_server_that_is_not_there_is_away() -> None:
    """The driver says so without a number, by psycopg itself and by SQLAlchemy."""
    psycopg = pytest.importorskip("psycopg")
    from sqlalchemy import create_engine

    nowhere = "postgresql://postgres@127.0.0.1:1/x?connect_timeout=2"
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(nowhere)
    assert fault_of(caught.value) is Fault.AWAY
    with pytest.raises(Exception) as wrapped:
        create_engine(nowhere).connect()
    assert fault_of(wrapped.value) is Fault.AWAY


def test_a_table_tells_of_every_number() -> None:
    """The documentation shows what is looked for, and nothing else."""
    page = (Path(__file__).parents[2] / "docs" / "sinks.md").read_text(encoding="utf-8")
    for state, (fault, meaning) in SQLSTATES.items():
        assert f"| `{state}` | {fault} | {meaning} |" in page
    for code, (fault, meaning) in SQLITE_CODES.items():
        assert f"| {code} | {fault} | {meaning} |" in page
