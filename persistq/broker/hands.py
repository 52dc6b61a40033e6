"""What one consumer holds: slices of blocks, found by the ids of their items."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, pairwise

from persistq.blocks import Slice
from persistq.items import IdRange


class Hands:
    """The items in a consumer's hands, in the order in which they were handed out.

    A report usually names one range, and takes whole slices; any other is cut out of them. So
    nothing is done here for each item. Slices are found by the ids of their first items, which are
    kept sorted. Each has a place in the order, and if it is cut, its pieces have that place too.

    Attributes:
        count: How many items there are.
    """

    def __init__(self) -> None:
        self.count = 0
        self._firsts: list[int] = []
        self._held: dict[int, tuple[int, Slice]] = {}
        self._places = count()

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def __contains__(self, item_id: int) -> bool:
        return self._cover(IdRange(item_id, item_id)) is not None

    def __iter__(self) -> Iterator[Slice]:
        """Return the slices in the order in which they were handed out."""
        # Pieces of one slice have one place and one block, so that their positions decide.
        return (part for _, part in sorted(self._held.values()))

    def hold(self, slices: Iterable[Slice]) -> None:
        """Take in what is handed out."""
        for part in slices:
            self.count += part.stop - part.start
            self._keep(next(self._places), part)

    def holds(self, ranges: Iterable[IdRange]) -> bool:
        """Return whether all of these items are held, and none of them is named twice."""
        ordered = sorted(ranges)
        twice = any(after.first <= before.last for before, after in pairwise(ordered))
        return not twice and all(self._cover(ids) is not None for ids in ordered)

    def take(self, ranges: Sequence[IdRange]) -> list[Slice] | None:
        """Let go of items.

        Returns:
            The items, in the order in which they were handed out; None if one of them is not held,
            or named twice: then nothing has changed.
        """
        if not self.holds(ranges):
            return None
        taken = sorted(entry for ids in ranges for entry in self._take(ids))
        self.count -= sum(part.stop - part.start for _, part in taken)
        return [part for _, part in taken]

    def behind(self, item_id: int) -> list[Slice]:
        """Return what was handed out after an item that is held."""
        cover = self._cover(IdRange(item_id, item_id))
        assert cover is not None, "it is not held"
        entry = self._held[self._firsts[cover.start]]
        last = entry[1].ids.last
        rest = [entry[1].within(item_id + 1, last)] if item_id < last else []
        return rest + [part for _, part in sorted(e for e in self._held.values() if e > entry)]

    # --- inside ---

    def _keep(self, place: int, part: Slice) -> None:
        first = part.first_id + part.start
        insort(self._firsts, first)
        self._held[first] = place, part

    def _cover(self, ids: IdRange) -> range | None:
        """Return which slices have all of these items, None if some are in none."""
        wanted, last = ids
        start = bisect_right(self._firsts, wanted) - 1
        for position in range(start, len(self._firsts)) if start >= 0 else ():
            held = self._held[self._firsts[position]][1].ids
            if not held.first <= wanted <= held.last:
                return None
            if last <= held.last:
                return range(start, position + 1)
            wanted = held.last + 1
        return None

    def _take(self, ids: IdRange) -> list[tuple[int, Slice]]:
        """Take out the slices of items that are held, and keep what else they have."""
        cover = self._cover(ids)
        assert cover is not None, "it has been looked at"
        firsts = self._firsts[cover.start : cover.stop]
        del self._firsts[cover.start : cover.stop]
        taken = [self._held.pop(first) for first in firsts]
        (place, part), (last_place, last_part) = taken[0], taken[-1]
        if (first := part.ids.first) < ids.first:
            self._keep(place, part.within(first, ids.first - 1))
            taken[0] = place, part.within(ids.first, part.ids.last)
        if (last := last_part.ids.last) > ids.last:
            self._keep(last_place, last_part.within(ids.last + 1, last))
            taken[-1] = last_place, taken[-1][1].within(taken[-1][1].ids.first, ids.last)
        return taken
