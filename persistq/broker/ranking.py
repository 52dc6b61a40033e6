"""The items of a stage with an order, by rank: the smallest first, of equal ones the oldest.

What waits is on disk, and known here by ranges of ids: a stage with a key that differs from item to
item takes 24 bytes for each. What is handed out next is read from the journal, a few at a time.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable
from itertools import chain
from typing import Final

from persistq.blocks import Slice

UNRANKED: Final = (1 << 63) - 1
"""The rank of what was put before its stage had an order: it comes last."""

YOUNG_MAX: Final = 4096
"""So many ranges are kept one by one: few enough that packing them holds nobody up."""

AHEAD_ITEMS: Final = 64
"""So many items are read at a time: what comes meanwhile may have to go before them."""

_Entry = tuple[int, int, int]
"""A rank, and the first and the last of the items that have it."""


class _Run:
    """Entries in order, packed: 24 bytes for each, which are given back as they are taken out.

    Args:
        entries: The entries, the last one first.
    """

    def __init__(self, entries: Iterable[_Entry]) -> None:
        self._packed = array("q", chain.from_iterable(entries))
        self._open: list[_Entry] = []

    def __bool__(self) -> bool:
        return bool(self._open or self._packed)

    def pop(self) -> _Entry:
        """Take out the first entry."""
        if not self._open:
            # An array gives memory back if it gets shorter by many at a time.
            numbers = iter(self._packed[-3 * AHEAD_ITEMS :])
            del self._packed[-3 * AHEAD_ITEMS :]
            self._open += zip(numbers, numbers, numbers, strict=True)
        return self._open.pop()


class Ranking:
    """Ids of the items of a queue that wait in nobody's hands, nor in its line.

    Args:
        young_max: So many ranges are kept one by one; then they are packed.

    Attributes:
        count: How many there are.
    """

    def __init__(self, young_max: int = YOUNG_MAX) -> None:
        self.count = 0
        self._young_max = young_max
        self._young: list[_Entry] = []
        self._packed: list[tuple[_Entry, _Run]] = []
        self._latest: _Entry = (UNRANKED, 0, 0)

    def __bool__(self) -> bool:
        return self.count > 0

    def add(self, slices: Iterable[Slice]) -> bool:
        """Take in items; return whether one of them goes before the last that was taken out."""
        entries = [_entry_of(part) for part in slices]
        for entry in entries:
            heapq.heappush(self._young, entry)
            self.count += entry[2] - entry[1] + 1
        if len(self._young) > self._young_max:
            self._pack()
        return bool(entries) and min(entries) < self._latest

    def pop(self) -> tuple[int, int]:
        """Take out the first range, of which there has to be one: its first and its last id."""
        young, packed = self._young, self._packed
        if young and (not packed or young[0] < packed[0][0]):
            entry = heapq.heappop(young)
        else:
            entry = self._pop_packed()
        self._latest = entry
        _, first, last = entry
        self.count -= last - first + 1
        return first, last

    # --- inside ---

    def _pack(self) -> None:
        run = _Run(sorted(self._young, reverse=True))
        self._young.clear()
        heapq.heappush(self._packed, (run.pop(), run))

    def _pop_packed(self) -> _Entry:
        entry, run = self._packed[0]
        if run:
            heapq.heapreplace(self._packed, (run.pop(), run))
        else:
            heapq.heappop(self._packed)
        return entry


def _entry_of(part: Slice) -> _Entry:
    rank = part.block.rank
    return (UNRANKED if rank is None else rank, *part.ids)
