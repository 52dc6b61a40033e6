"""The items of a queue that wait for their next attempt.

They may be many, and wait for long, so that they are ids and times only: what they hold is read
from the journal again when they are due.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from persistq.blocks import Slice
from persistq.broker.span import Span

RECALL_ITEMS: Final = 64
"""So many retries that are due are read from the journal at a time."""


class Retries:
    """Ids of outstanding items, with the time at which they are handed out again.

    Attributes:
        delayed: Heap of (due time, id).
        recalled: Ids of those that are due and still to be read, in order.
        ready: How many of those that were read are in the line, at most.
        noted: Due times, by id, of items that are in a range which is still to be read.
    """

    def __init__(self) -> None:
        self.delayed: list[tuple[float, int]] = []
        self.recalled: deque[int] = deque()
        self.ready = 0
        self.noted: dict[int, float] = {}

    def __bool__(self) -> bool:
        return bool(self.delayed or self.recalled)

    @property
    def waiting(self) -> int:
        """How many are not due yet, or not known to be."""
        return len(self.delayed) + len(self.noted)

    # --- waiting ---

    def delay(self, item_id: int, due: float) -> None:
        """Leave an item on disk until a time."""
        heapq.heappush(self.delayed, (due, item_id))

    def note(self, item_id: int, due: float) -> None:
        """Have an item that is going to be read wait until a time."""
        self.noted[item_id] = due

    def sift(self, slices: Sequence[Slice]) -> list[Slice]:
        """Return what may be tried at once of what was read; the rest waits from now on."""
        if not self.noted:
            return [*slices]
        return [piece for part in slices for piece in self._sifted(part)]

    def _sifted(self, part: Slice) -> Iterator[Slice]:
        start, last = part.ids
        for item_id in filter(self.noted.__contains__, range(start, last + 1)):
            self.delay(item_id, self.noted.pop(item_id))
            if start < item_id:
                yield part.within(start, item_id - 1)
            start = item_id + 1
        if start <= last:
            yield part.within(start, last)

    # --- due ---

    @property
    def due(self) -> float | None:
        """When the next one is due."""
        return self.delayed[0][0] if self.delayed else None

    def wake(self, now: float) -> None:
        """Line up those whose delay is over to be read again."""
        while self.delayed and self.delayed[0][0] <= now:
            self.recalled.append(heapq.heappop(self.delayed)[1])

    def recall(self, item_ids: Iterable[int]) -> None:
        """Line up items to be read as soon as there is room."""
        self.recalled.extend(item_ids)

    def wanted(self) -> list[Span]:
        """Return the ranges to read next: none while some of the last are ready."""
        spans: list[Span] = []
        if self.ready:
            return spans
        for item_id in islice(self.recalled, RECALL_ITEMS):
            if spans and spans[-1].last == item_id - 1:
                spans[-1].last = item_id
            else:
                spans.append(Span(item_id - 1, item_id))
        return spans

    def have_read(self, count: int) -> None:
        """The first of those that were wanted are in the line."""
        for _ in range(count):
            self.recalled.popleft()
        self.ready += count

    def have_left(self, count: int, line: int) -> None:
        """So many items have left the line, in which so many are."""
        if self.ready:
            self.ready = max(0, min(self.ready - count, line))
