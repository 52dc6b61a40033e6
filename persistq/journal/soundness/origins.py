"""Of which items those of a block were made: they have ended, or it is noted how far they are."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from persistq.blocks import Origin
from persistq.items import number_of, queue_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping

_ENDED: Final = """
    SELECT first_id, last_id FROM done_range WHERE first_id <= ? ORDER BY first_id DESC LIMIT 1"""
_STREAMED: Final = """
    SELECT 1 FROM streamed WHERE item_id = ? AND ? BETWEEN first_id AND last_id"""


_ROUTES: Final = "SELECT queue_id, target_id, kind FROM route"


class QueueFacts(NamedTuple):
    """What is known of a queue.

    Attributes:
        load_id: Its load.
        put: How many items it has.
        purged: Whether rows of its load may be gone.
    """

    load_id: int
    put: int
    purged: bool


class Origins:
    """Looks origins up, for block after block.

    Args:
        connection: The journal.
        queues: Its queues by number.
    """

    def __init__(self, connection: sqlite3.Connection, queues: Mapping[int, QueueFacts]) -> None:
        self._connection = connection
        self._queues = queues
        self._ended = range(0)
        self._routes = {
            (queue_id, target_id)
            for queue_id, target_id, kind in connection.execute(_ROUTES)
            if kind != b"ends"
        }

    def flaw_of(
        self, first_id: int, count: int, origin: int | None, steps: bytes | None
    ) -> str | None:
        """Return what is wrong with the origins of a block of so many items, None if nothing is."""
        if origin is None or steps is None:
            alone = (origin is None) != (steps is None)
            return "origin is without steps, or the reverse" if alone else None
        if len(steps) not in {1, count - 1}:
            return "steps are of more or fewer items"
        made_of = Origin(origin, steps)
        if not self._are_items(first_id, origin, made_of.last(count)):
            return "origins are no items of a stage that feeds its own"
        if self._queues[queue_of(origin)].purged:
            return None
        if all(self._has_ended(*pair) for pair in _pairs(first_id, count, made_of)):
            return None
        return "origins have not ended, and are not in streamed"

    def _are_items(self, first_id: int, first: int, last: int) -> bool:
        """Tell whether the first and the last origin of a block, and all between, are items."""
        own, other = self._queues.get(queue_of(first_id)), self._queues.get(queue_of(first))
        return (
            own is not None
            and other is not None
            and own.load_id == other.load_id
            and queue_of(first) == queue_of(last)
            and (queue_of(first), queue_of(first_id)) in self._routes
            and 1 <= number_of(first) <= number_of(last) <= other.put
        )

    def _has_ended(self, item_id: int, made: int) -> bool:
        if item_id in self._ended:
            return True
        row = self._connection.execute(_ENDED, (item_id,)).fetchone()
        self._ended = range(row[0], row[1] + 1) if row else range(0)
        if item_id in self._ended:
            return True
        return self._connection.execute(_STREAMED, (item_id, made)).fetchone() is not None


def _pairs(first_id: int, count: int, origin: Origin) -> Iterator[tuple[int, int]]:
    """Yield each origin of a block, with what was made of it; one that repeats is enough once."""
    if origin.steps == b"\0":
        yield origin.item_id, first_id
        yield origin.item_id, first_id + count - 1
        return
    steps = origin.steps * (count - 1) if len(origin.steps) == 1 else origin.steps
    yield from zip(
        accumulate(steps, initial=origin.item_id), range(first_id, first_id + count), strict=True
    )
