"""What `JournalReader` answers about single items, errors and processes, in SQL.

Each function takes a connection that reads; what may be long comes in pages, and no snapshot is
held in between.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from persistq.items import Item
from persistq.journal.reader import Attempt, ItemState, JournaledItem, ParkedError, WorkerRow
from persistq.journal.rows import failure_from, peer_from

if TYPE_CHECKING:
    import sqlite3

_PAGE_ROWS: Final = 1000
_PAGE_BYTES: Final = 8 << 20

QUEUES: Final = """
    SELECT queue_id, load_id, position, name, next_n, done, dropped, parked, sealed_total
    FROM queue ORDER BY load_id, position"""

_ITEMS: Final = """
    SELECT p.item_id, p.codec, p.payload, d.outcome, k.item_id, coalesce(r.reason, '')
    FROM put_log AS p
    LEFT JOIN done_log AS d ON d.item_id = p.item_id
    LEFT JOIN parked AS k ON k.item_id = p.item_id
    LEFT JOIN drop_reason AS r ON r.item_id = p.item_id
    WHERE p.item_id BETWEEN ? AND ? ORDER BY p.item_id"""

ATTEMPTS: Final = """
    SELECT at, run_id, forgiven, item_id, kind, type, message, traceback, pid, signal, exit_code,
        peak_rss, out_of_memory
    FROM failure WHERE item_id BETWEEN ? AND ? ORDER BY item_id, failure_id"""

PARKED_ERRORS: Final = """
    SELECT k.item_id, f.at, coalesce(f.kind, ''), coalesce(f.type, ''), coalesce(f.message, '')
    FROM parked AS k LEFT JOIN failure AS f ON f.failure_id = (
        SELECT max(failure_id) FROM failure WHERE item_id = k.item_id
    )
    WHERE k.item_id BETWEEN ? AND ? ORDER BY k.item_id LIMIT ?"""

WORKERS: Final = """
    SELECT worker_id, w.run_id, queue_id, w.host, w.pid, w.started, r.node,
        w.started_at, w.ended_at, ending
    FROM worker AS w JOIN run AS r USING (run_id) WHERE w.run_id = ? ORDER BY worker_id"""

_ENDED: Final = {0: ItemState.DONE, 1: ItemState.DROPPED}


def items_page(connection: sqlite3.Connection, first_id: int, last_id: int) -> list[JournaledItem]:
    """Read the next items and where they are, as many as fit in a page; empty at the end."""
    rows = connection.execute(_ITEMS, (first_id, last_id))
    page: list[JournaledItem] = []
    size = 0
    try:
        for row in rows:
            page.append(_journaled(row))
            size += len(row[2])
            if len(page) == _PAGE_ROWS or size >= _PAGE_BYTES:
                break
    finally:
        # A statement that is not finished keeps its snapshot, and that stops the log's reuse.
        rows.close()
    return page


def parked_page(connection: sqlite3.Connection, first_id: int, last_id: int) -> list[ParkedError]:
    """Read the next parked items with their last errors; empty at the end."""
    rows = connection.execute(PARKED_ERRORS, (first_id, last_id, _PAGE_ROWS))
    return [
        ParkedError(item_id, _time(at) if at else None, kind, type_, message)
        for item_id, at, kind, type_, message in rows.fetchall()
    ]


def attempt_from(row: tuple[Any, ...]) -> Attempt:
    """Make an `Attempt` of the columns of `ATTEMPTS`."""
    at, run_id, forgiven, *failure = row
    return Attempt(_time(at), run_id, bool(forgiven), failure_from(tuple(failure)))


def worker_from(row: tuple[Any, ...]) -> WorkerRow:
    """Make a `WorkerRow` of the columns of `WORKERS`."""
    worker_id, run_id, queue_id, host, pid, started, node, began, ended, ending = row
    peer = peer_from((host, pid, started, node))
    ended_at = _time(ended) if ended else None
    return WorkerRow(worker_id, run_id, queue_id, peer, _time(began), ended_at, ending)


def _journaled(row: tuple[Any, ...]) -> JournaledItem:
    item_id, codec, payload, outcome, parked, reason = row
    state = _ENDED.get(outcome, ItemState.OUTSTANDING)
    state = ItemState.PARKED if parked is not None else state
    return JournaledItem(Item(item_id, codec, payload), state, reason)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
