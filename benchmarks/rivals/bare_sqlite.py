"""One process, the tables of a journal, and bare statements: nothing around the rows."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

from contest import Outcome

from persistq.journal.creation import create

DURABLE = "the journal's tables and settings (SQLite, WAL; puts FULL, done marks NORMAL)"

BATCH = 1_000
_QUEUE = 1 << 40
_PUT = "INSERT INTO put_log (item_id, codec, payload) VALUES {}", "(?, 0, ?)"
_DONE = "INSERT INTO done_log (item_id, outcome) VALUES {}", "(?, 0)"


def write(items: int, width: int) -> Outcome:
    """Write the rows of both logs, a thousand in each transaction, so many in each execution."""
    path = Path("floor.db").resolve()
    create(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        began = time.perf_counter()
        for rows in _batches(items):
            _commit(connection, "FULL", _insert(_PUT, width), _wide(rows, width))
            done = [(item_id,) for item_id, _ in rows]
            _commit(connection, "NORMAL", _insert(_DONE, width), _wide(done, width))
        took = time.perf_counter() - began
    return Outcome(items / took)


def _commit(connection: sqlite3.Connection, sync: str, statement: str, rows: list) -> None:
    connection.execute(f"PRAGMA synchronous = {sync}")
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(statement, rows)
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
