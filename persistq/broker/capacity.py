"""How much a queue may hold: what feeds it waits while it is full.

Room is looked at before an item of a feeding stage is handed out, and before a source is told how
many more items it may put; never inside what is made of one item, which is put whole. So a queue
holds more than its limit by what is made of the items in hand, but no item is ever stuck half-way.

No graph deadlocks: a stage waits for the queues that it feeds and for nothing else, so those at the
end always work, and each queue that they empty lets the stage before it go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from persistq.blocks import ITEMS_MAX
from persistq.broker.space import Space
from persistq.items import ITEMS_PER_QUEUE_MAX
from persistq.journal.queuerow import QueueRow

PARTS: Final = 8
"""Who waits goes on when so large a part of a queue is free: a few items at a time are dear."""

LEAST_BYTES: Final = 1 << 20
MARK_ITEMS: Final = 4096
MARK_BYTES: Final = 1 << 20


class Feeder(Protocol):
    """A stage whose items in hand become items of a queue."""

    in_flight: int


class Waits(Protocol):
    """Items that wait for others."""

    waiting: int


class Weight:
    """How many bytes the youngest items of a queue have, without a number for each item.

    Marks say how many bytes so many items have; those between two marks count as equally long.

    Args:
        row: The queue's counters.
    """

    def __init__(self, row: QueueRow) -> None:
        self._row = row
        self._marks = deque([(0, 0)])
        self._mark()

    def of_youngest(self, count: int) -> int:
        """Return how many bytes the last so many items have, about."""
        row, marks = self._row, self._marks
        put, size = marks[-1]
        if row.put - put >= MARK_ITEMS or row.bytes - size >= MARK_BYTES:
            self._mark()
        before = row.put - count
        while len(marks) > 1 and marks[1][0] <= before:
            marks.popleft()
        return row.bytes - self._up_to(before)

    def _mark(self) -> None:
        self._marks.append((self._row.put, self._row.bytes))

    def _up_to(self, count: int) -> int:
        (put, size), row = self._marks[0], self._row
        if count < put:
            # Items that were parked are outstanding again.
            return size * count // put
        more, to = self._marks[1] if len(self._marks) > 1 else (row.put, row.bytes)
        return size + (to - size) * (count - put) // max(1, more - put)


class Capacity:
    """How much one queue may hold, and how much it does.

    Args:
        row: The queue's counters, which are only read here.
        items_max: Most outstanding items.
        bytes_max: Most bytes of them.
        space: The disk.

    Attributes:
        feeders: The stages that feed the queue.
        gathering: The groups of the queue, if it has any: what waits for others takes no room, for
            those would wait for it.
    """

    def __init__(self, row: QueueRow, items_max: int, bytes_max: int, space: Space) -> None:
        self.feeders: list[Feeder] = []
        self.gathering: Waits | None = None
        self._row = row
        self._weight = Weight(row)
        self._items_max, self._bytes_max, self._space = items_max, bytes_max, space
        self._least_items = max(1, min(ITEMS_MAX, items_max // PARTS))
        self._least_bytes = max(1, min(LEAST_BYTES, bytes_max // PARTS))

    @property
    def lacks(self) -> str:
        """What keeps the queue from taking more, as a setting is called; empty if nothing does."""
        if self._space.short:
            return "min_free_disk"
        if self._items_max - self._held < self._least_items:
            return "max_outstanding"
        return "max_outstanding_bytes" if self.bytes_left < self._least_bytes else ""

    @property
    def bytes_left(self) -> int:
        """How many more bytes it may hold."""
        return self._bytes_max - self._weight.of_youngest(self._held)

    @property
    def room(self) -> int:
        """For how many more items it has room beside those that are about to come; 0 if few."""
        if self.lacks:
            return 0
        coming = sum(feeder.in_flight for feeder in self.feeders)
        left = self._items_max - self._held - coming
        return left if left >= self._least_items else 0

    @property
    def _held(self) -> int:
        waiting = 0 if self.gathering is None else self.gathering.waiting
        return self._row.outstanding - waiting


def room_in(queues: Sequence[Capacity]) -> int:
    """Return how many items may be begun of a stage that feeds these queues."""
    return min(queue.room for queue in queues) if queues else ITEMS_PER_QUEUE_MAX
