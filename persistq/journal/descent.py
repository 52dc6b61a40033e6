"""What was made of an item, found without an index.

The outputs of an item are recorded in the transaction that ends it, so they and its end have the
same turn; and within a queue, turns rise with the items. So a bisection finds them.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

from persistq.items import IdRange, item_id_of, merged, queue_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

_END: Final = """
    SELECT last_id, turn_id FROM done_range WHERE first_id <= :of_item
    ORDER BY first_id DESC LIMIT 1"""

_FED: Final = """
    SELECT target_id, next_n FROM route JOIN queue ON queue.queue_id = target_id
    WHERE route.queue_id = :of_queue ORDER BY target_id"""

_NEXT_BLOCK: Final = """
    SELECT first_id + count, turn_id FROM put_block WHERE first_id >= ? AND first_id < ?
    ORDER BY first_id LIMIT 1"""

_OF_TURN: Final = """
    SELECT first_id, count, turn_id, origin, steps FROM put_block
    WHERE first_id >= ? AND first_id < ? ORDER BY first_id"""

_STREAMED: Final = "SELECT first_id, last_id FROM streamed WHERE item_id = ?"


def made_of(connection: sqlite3.Connection, item_id: int) -> list[IdRange]:
    """Return what was made of an item, in order. The caller holds a snapshot."""
    streamed = connection.execute(_STREAMED, (item_id,)).fetchall()
    return merged([*(IdRange(*row) for row in streamed), *_with_its_end(connection, item_id)])


def _with_its_end(connection: sqlite3.Connection, item_id: int) -> Iterator[IdRange]:
    end = connection.execute(_END, {"of_item": item_id}).fetchone()
    if end is None or end[0] < item_id:
        return
    queues = connection.execute(_FED, {"of_queue": queue_of(item_id)}).fetchall()
    for queue_id, next_n in queues:
        bounds = item_id_of(queue_id, 1), item_id_of(queue_id, next_n)
        yield from _in_queue(connection, bounds, item_id, end[1])


def _in_queue(
    connection: sqlite3.Connection, bounds: tuple[int, int], item_id: int, turn_id: int
) -> Iterator[IdRange]:
    start = _first_of_turn(connection, bounds, turn_id)
    for first_id, count, turn, origin, steps in connection.execute(_OF_TURN, (start, bounds[1])):
        if turn != turn_id:
            break
        if origin is not None and origin <= item_id:
            yield from _of_block(IdRange(first_id, first_id + count - 1), origin, steps, item_id)


def _first_of_turn(connection: sqlite3.Connection, bounds: tuple[int, int], turn_id: int) -> int:
    """Return an id at or before the first block of a turn, and behind all blocks before it."""
    low, high = bounds
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(_NEXT_BLOCK, (middle, high)).fetchone()
        if found is None or found[1] >= turn_id:
            high = middle
        else:
            low = found[0]
    return low


def _of_block(ids: IdRange, origin: int, steps: bytes, item_id: int) -> Iterator[IdRange]:
    """Return those items of a block that were made of one item."""
    if steps == b"\0":
        # Of a spool there may be millions.
        yield from [ids] if origin == item_id else []
        return
    each = steps * (ids.count - 1) if len(steps) == 1 else steps
    for made, source in enumerate(accumulate(each, initial=origin), ids.first):
        if source == item_id:
            yield IdRange(made, made)
