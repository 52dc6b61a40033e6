"""One process, a row for each item and each done mark, and bare statements: nothing around them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

from contest import Outcome

DURABLE = "a row for each item and done mark (SQLite, WAL; puts FULL, done marks NORMAL)"

BATCH = 1_000
_PATH = Path("floor.db")
_TABLES = """\
PRAGMA page_size = 16384;
PRAGMA journal_mode = WAL;
CREATE TABLE put_log (
    item_id INTEGER NOT NULL PRIMARY KEY, codec INTEGER NOT NULL, payload BLOB NOT NULL
) STRICT;
CREATE TABLE done_log (item_id INTEGER NOT NULL PRIMARY KEY, outcome INTEGER NOT NULL) STRICT;
"""
_QUEUE = 1 << 40
_PUT = "INSERT INTO put_log (item_id, codec, payload) VALUES {}", "(?, 0, ?)"
_DONE = "INSERT INTO done_log (item_id, outcome) VALUES {}", "(?, 0)"
_NUMBERS = "WITH RECURSIVE number(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM number WHERE n < ?)"
_JSON = "CAST(CAST(n - 1 AS TEXT) AS BLOB)"
_ALL_PUT = f"INSERT INTO put_log {_NUMBERS} SELECT ? + n, 0, {_JSON} FROM number"
_ALL_DONE = f"INSERT INTO done_log {_NUMBERS} SELECT ? + n, 0 FROM number"
_DIFFERENCE = (
    "SELECT item_id FROM put_log AS p WHERE NOT EXISTS "
    "(SELECT 1 FROM done_log AS d WHERE d.item_id = p.item_id) ORDER BY item_id"
)


def write(items: int, width: int) -> Outcome:
    """Write the rows of both logs, a thousand in each transaction, so many in each statement."""
    with closing(_made()) as connection:
        began = time.perf_counter()
        for rows in _batches(items):
            _commit(connection, "FULL", _PUT, width, rows)
            _commit(connection, "NORMAL", _DONE, width, [(item_id,) for item_id, _ in rows])
        took = time.perf_counter() - began
    return Outcome(items / took)


def prepare(put: int, done: int) -> None:
    """Write the rows of so many items, of which the first ones are done."""
    with closing(_made()) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.execute(_ALL_PUT, (put, _QUEUE))
        connection.execute(_ALL_DONE, (done, _QUEUE))
        connection.execute("COMMIT")


def difference(outstanding: int) -> Outcome:
    """Open the file, subtract done from put in SQL, and fetch all ids."""
    began = time.perf_counter()
    with closing(sqlite3.connect(f"{_PATH.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        found = connection.execute(_DIFFERENCE).fetchall()
    took = time.perf_counter() - began
    if len(found) != outstanding:
        raise RuntimeError(f"{len(found)} items are outstanding, not {outstanding}")
    return Outcome(took)


def _made() -> sqlite3.Connection:
    connection = sqlite3.connect(_PATH, isolation_level=None)
    connection.executescript(_TABLES)
    return connection


def _commit(
    connection: sqlite3.Connection, sync: str, statement: tuple[str, str], width: int, rows: list
) -> None:
    connection.execute(f"PRAGMA synchronous = {sync}")
    connection.execute("BEGIN IMMEDIATE")
    # The last rows may be too few for a whole statement.
    whole = len(rows) - len(rows) % width
    connection.executemany(_insert(statement, width), _wide(rows[:whole], width))
    connection.executemany(_insert(statement, 1), rows[whole:])
    connection.execute("COMMIT")


def _insert(statement: tuple[str, str], width: int) -> str:
    head, row = statement
    return head.format(", ".join([row] * width))


def _wide(rows: list, width: int) -> list:
    if width == 1:
        return rows
    return [
        tuple(chain.from_iterable(rows[start : start + width]))
        for start in range(0, len(rows), width)
    ]


def _batches(items: int) -> Iterator[list[tuple[int, bytes]]]:
    rows = ((_QUEUE + n, b"%d" % n) for n in range(1, items + 1))
    while batch := list(islice(rows, BATCH)):
        yield batch
