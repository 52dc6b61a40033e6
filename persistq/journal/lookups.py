"""What `JournalReader` answers about single items, errors and processes, in SQL.

Each function takes a connection that reads; what may be long comes in pages, and no snapshot is
held in between.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from persistq.blocks import BlockDamaged, Origin
from persistq.event import Event, EventKind
from persistq.items import DAMAGED, FailureKind, IdRange, Item, ids_in
from persistq.journal.batch import Deed
from persistq.journal.itemized import plain
from persistq.journal.reader import (
    Attempt,
    Handled,
    ItemState,
    JournaledItem,
    Moment,
    ParkedError,
    WorkerRow,
)
from persistq.journal.rows import failure_from, peer_from
from persistq.text.masking import masked_text
from persistq.timings import Sample, StageSample

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from persistq.blocks import Slice
    from persistq.journal.pages import Pages

    _Values = Iterator[tuple[int, dict[str, Any]]]

_PAGE_ROWS: Final = 1000
_PAGE_BYTES: Final = 8 << 20

_PUTS: Final = """
    SELECT first_id, count, at, run_id, origin, steps, due_at
    FROM put_block LEFT JOIN turn USING (turn_id)
    WHERE first_id <= :last_id AND first_id >= coalesce(
        (SELECT first_id FROM put_block WHERE first_id <= :first_id ORDER BY first_id DESC LIMIT 1),
        :first_id
    )
    ORDER BY first_id"""

_ENDS: Final = """
    SELECT first_id, last_id, outcome, at, run_id FROM done_range LEFT JOIN turn USING (turn_id)
    WHERE first_id <= :last_id AND first_id >= coalesce(
        (SELECT first_id FROM done_range WHERE first_id <= :first_id
        ORDER BY first_id DESC LIMIT 1),
        :first_id
    )
    ORDER BY first_id"""

_PARKED: Final = "SELECT item_id FROM parked WHERE item_id BETWEEN :first_id AND :last_id"

_REASONS: Final = """
    SELECT item_id, reason FROM drop_reason WHERE item_id BETWEEN :first_id AND :last_id"""

ATTEMPTS: Final = """
    SELECT at, run_id, forgiven, item_id, kind, type, message, traceback, pid, signal, exit_code,
        peak_rss, out_of_memory, retry_at
    FROM failure WHERE item_id BETWEEN ? AND ? ORDER BY item_id, failure_id"""

# Texts of failures are long, and lie behind what is read here of each.
FAILURE_GROUPS: Final = """
    SELECT kind, type, count(*), count(DISTINCT item_id), max(failure_id)
    FROM failure WHERE item_id > ? AND item_id <= ?
    GROUP BY kind, type ORDER BY 3 DESC, 5 DESC LIMIT ?"""

FAILED_ATTEMPTS: Final = "SELECT count(*) FROM failure WHERE item_id > ? AND item_id <= ?"

ATTEMPT: Final = """
    SELECT at, item_id, kind, type, message, traceback, pid, signal, exit_code, peak_rss,
        out_of_memory, retry_at
    FROM failure WHERE failure_id = ?"""

PRINTED: Final = """
    SELECT item_id, stream, text FROM printed WHERE item_id = ? ORDER BY printed_id"""

BY_HAND: Final = """
    SELECT at, item_id, deed, replacement FROM by_hand
    WHERE item_id = ? OR replacement = ? ORDER BY by_hand_id"""

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

TIMES: Final = """
    SELECT queue_id, worked, waited, counts FROM timing WHERE run_id = ? ORDER BY queue_id"""

ALL_TIMES: Final = "SELECT queue_id, worked, waited, counts FROM timing"

FAILED: Final = "SELECT item_id >> 40, kind, count(*) FROM failure GROUP BY 1, 2"

SLOW: Final = """
    SELECT item_id, seconds FROM slow WHERE item_id > ? AND item_id <= ?
    ORDER BY seconds DESC, item_id"""

# The stage has the name that it has now.
EVENTS: Final = """
    SELECT event_id, e.kind, e.at, coalesce(e.load_id, q.load_id), coalesce(q.name, ''),
        first_id, last_id, f.kind, f.type, f.message, f.retry_at
    FROM event AS e LEFT JOIN queue AS q ON q.queue_id = e.first_id >> 40
    LEFT JOIN failure AS f USING (failure_id)
    WHERE event_id > ? ORDER BY event_id LIMIT ?"""
EVENTS_KEPT: Final = "SELECT coalesce(min(event_id), 1), coalesce(max(event_id), 0) FROM event"

_SAMPLES: Final = "SELECT tick, at, broker_rss FROM sample WHERE run_id = ? ORDER BY tick"
_STAGE_SAMPLES: Final = """
    SELECT tick, queue_id, put, done, dropped, parked, worked, waited, rss
    FROM stage_sample WHERE run_id = ? ORDER BY tick, queue_id"""

_ENDED: Final = {0: ItemState.DONE, 1: ItemState.DROPPED}


def items_page(connection: sqlite3.Connection, pages: Pages, ids: IdRange) -> list[JournaledItem]:
    """Read the next items and where they are, as many as fit in a page; empty at the end.

    The caller holds a snapshot.
    """
    slices = pages.put((ids.first - 1, ids.last), _PAGE_ROWS, _PAGE_BYTES)
    if not slices:
        return []
    read = IdRange(slices[0].ids.first, slices[-1].ids.last)
    found = {item.item_id: JournaledItem(item, ItemState.OUTSTANDING) for item in _items(slices)}
    for changes in (_puts, _ends, _parked, _reasons):
        for item_id, values in changes(connection, read):
            if item_id in found:
                found[item_id] = found[item_id]._replace(**values)
    return [*found.values()]


def _items(slices: list[Slice]) -> Iterator[Item]:
    """Return the items of slices; what cannot be read is there all the same."""
    for part in slices:
        try:
            yield from plain(part.items())
        except BlockDamaged:
            yield from (Item(item_id, DAMAGED, b"") for item_id in ids_in([part.ids]))


def _puts(connection: sqlite3.Connection, ids: IdRange) -> _Values:
    for first_id, count, at, run_id, origin, steps, due_at in _rows(connection, _PUTS, ids):
        put = _moment(at, run_id)
        made_of = Origin(origin, steps) if origin is not None else None
        due = None if due_at is None else datetime.fromtimestamp(due_at / 1000, UTC)
        for item_id in _both(ids, first_id, first_id + count - 1):
            source = made_of.of(item_id - first_id) if made_of is not None else None
            yield item_id, {"put": put, "origin": source, "due": due}


def origins(connection: sqlite3.Connection, ids: IdRange) -> list[tuple[IdRange, Origin | None]]:
    """Return of what items were made, block by block; the first block may begin before them."""
    return [
        (
            IdRange(first_id, first_id + count - 1),
            None if origin is None else Origin(origin, steps),
        )
        for first_id, count, _, _, origin, steps, *_ in _rows(connection, _PUTS, ids)
        if first_id + count > ids.first
    ]


def _ends(connection: sqlite3.Connection, ids: IdRange) -> _Values:
    for first_id, last_id, outcome, at, run_id in _rows(connection, _ENDS, ids):
        values = {"state": _ENDED[outcome], "ended": _moment(at, run_id)}
        for item_id in _both(ids, first_id, last_id):
            yield item_id, values


def _parked(connection: sqlite3.Connection, ids: IdRange) -> _Values:
    for (item_id,) in _rows(connection, _PARKED, ids):
        yield item_id, {"state": ItemState.PARKED}


def _reasons(connection: sqlite3.Connection, ids: IdRange) -> _Values:
    for item_id, reason in _rows(connection, _REASONS, ids):
        yield item_id, {"reason": reason}


def _rows(connection: sqlite3.Connection, sql: str, ids: IdRange) -> list[tuple[Any, ...]]:
    return connection.execute(sql, {"first_id": ids.first, "last_id": ids.last}).fetchall()


def _both(ids: IdRange, first_id: int, last_id: int) -> range:
    """Return the ids that are in two ranges."""
    return range(max(ids.first, first_id), min(ids.last, last_id) + 1)


def _moment(at: int | None, run_id: int | None) -> Moment | None:
    return None if at is None else Moment(datetime.fromtimestamp(at / 1000, UTC), run_id)


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


def handled_from(row: tuple[Any, ...]) -> Handled:
    """Make a `Handled` of the columns of `BY_HAND`."""
    at, item_id, deed, replacement = row
    return Handled(_time(at), item_id, Deed(deed), replacement)


def event_from(row: tuple[Any, ...]) -> Event:
    """Make an `Event` of the columns of `EVENTS`."""
    number, kind, at, load_id, stage, first_id, last_id, cause, type_, message, retry_at = row
    return Event(
        number,
        EventKind(kind),
        datetime.fromtimestamp(at / 1000, UTC),
        load_id,
        stage,
        None if first_id is None else IdRange(first_id, last_id),
        "" if cause is None else masked_text(f"{type_}: {message}" if message else type_),
        None if cause is None else FailureKind(cause),
        None if retry_at is None else datetime.fromisoformat(retry_at),
    )


def samples(connection: sqlite3.Connection, run_id: int) -> list[Sample]:
    """Read where a run stood; the caller holds a snapshot."""
    stages: dict[int, list[StageSample]] = {}
    for tick, *values in connection.execute(_STAGE_SAMPLES, (run_id,)):
        stages.setdefault(tick, []).append(StageSample(*values))
    return [
        Sample(tick, at / 1000, broker_rss, tuple(stages.get(tick, ())))
        for tick, at, broker_rss in connection.execute(_SAMPLES, (run_id,))
    ]


def worker_from(row: tuple[Any, ...]) -> WorkerRow:
    """Make a `WorkerRow` of the columns of `WORKERS`."""
    worker_id, run_id, queue_id, host, pid, started, node, began, ended, ending = row
    peer = peer_from((host, pid, started, node))
    ended_at = _time(ended) if ended else None
    return WorkerRow(worker_id, run_id, queue_id, peer, _time(began), ended_at, ending)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
