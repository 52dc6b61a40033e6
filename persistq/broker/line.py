"""The items of a queue that are in memory and wait to be handed out, as slices of blocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from persistq.blocks import BlockDamaged, Slice
from persistq.broker.parting import is_small, parted

SLICE_BYTES: Final = 250
"""What a slice costs in memory beside its payloads, about."""


def footprint(slices: Iterable[Slice]) -> int:
    """Return how many bytes of memory slices take, about."""
    return sum(part.size + SLICE_BYTES for part in slices)


class Line:
    """Slices in the order in which they are handed out, with their items and bytes counted.

    Attributes:
        count: How many items there are.
        bytes: How much memory they take, about.
        entered: How many were ever added at the end.
    """

    def __init__(self) -> None:
        self.count = 0
        self.entered = 0
        self.bytes = 0
        self._slices: deque[Slice] = deque()

    def __bool__(self) -> bool:
        return bool(self._slices)

    def __iter__(self) -> Iterator[Slice]:
        return iter(self._slices)

    # --- coming ---

    def append(self, slices: Iterable[Slice]) -> None:
        """Add slices at the end."""
        for part in slices:
            self._slices.append(part)
            self._count(part, 1)
            self.entered += part.stop - part.start

    def put_back(self, slices: Iterable[Slice]) -> int:
        """Add slices at the front, in their order; return how many items they have."""
        before = self.count
        for part in reversed(parted(slices)):
            self._push(part)
        return self.count - before

    # --- going ---

    def take(self, count: int, *, exactly: bool) -> list[Slice]:
        """Take slices from the front.

        Args:
            count: Most items to take; only a damaged block may have more, which goes as it is.
            exactly: Whether that many are taken if there are. If not, a further block is rather
                left whole than cut, once half of them are there.
        """
        taken, left = list[Slice](), count
        while left > 0 and self._slices and (exactly or not taken or self._suits(left, count)):
            part = self._cut(left)
            taken.append(part)
            left -= part.stop - part.start
        return taken

    def _suits(self, left: int, count: int) -> bool:
        first = self._slices[0]
        return first.stop - first.start <= left or left * 2 > count

    def _cut(self, count: int) -> Slice:
        """Take the first slice, or no more of it than so many items."""
        first = self._slices[0]
        if first.stop - first.start <= count:
            return self._pop()
        if is_small(count, first):
            self._open()
            return self._pop()
        head, rest = self._pop().split(count)
        self._push(rest)
        return head

    def _open(self) -> None:
        """Take the first slice apart, unless it is damaged."""
        first = self._pop()
        try:
            pieces = first.apart()
        except BlockDamaged:
            pieces = [first]
        for part in reversed(pieces):
            self._push(part)

    def fitting(self, count: int, most: int) -> int:
        """Return how many of the first items, one at least, have so many bytes together.

        Args:
            count: How many to look at.
            most: Bytes; items of one block count as equally long.
        """
        found, room = 0, float(most)
        for part in self._slices:
            looked_at = min(count - found, part.count)
            each = len(part.block.data) / part.block.count
            if each * looked_at > room:
                return max(1, found + int(room / each))
            found, room = found + looked_at, room - each * looked_at
            if found >= count:
                break
        return max(1, found)

    # --- inside ---

    def _push(self, part: Slice) -> None:
        self._slices.appendleft(part)
        self._count(part, 1)

    def _pop(self) -> Slice:
        part = self._slices.popleft()
        self._count(part, -1)
        return part

    def _count(self, part: Slice, sign: int) -> None:
        self.count += sign * (part.stop - part.start)
        self.bytes += sign * (part.size + SLICE_BYTES)
