"""What one consumer is handed at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence, Set
from dataclasses import dataclass

from persistq.blocks import Slice
from persistq.items import IdRange, ids_in


@dataclass(slots=True)
class Window:
    """What one consumer is handed at a time: items, to be begun one by one or several together.

    Attributes:
        slices: The items, in order.
        count: How many they are.
        sizes: How many of them make each attempt; nothing if each is an attempt by itself.
        first: The number of the first attempt, from which the others follow. An attempt of one
            item is known by the item's id instead, which no number is as large as.
        suspect: Whether a worker has died of it, so that nothing else is worked on beside it.
    """

    slices: list[Slice]
    count: int
    sizes: Sequence[int] = ()
    first: int = 0
    suspect: bool = False

    @property
    def ids(self) -> Iterator[IdRange]:
        """The ids of the items, in order."""
        return (part.ids for part in self.slices)

    @property
    def attempts(self) -> int:
        """How many attempts the items are."""
        return len(self.sizes) or self.count


def sifted(slices: Sequence[Slice], apart: Set[int]) -> tuple[list[Slice], list[Slice]]:
    """Return the items that go alone, and the others, each in order."""
    alone, others = list[Slice](), list[Slice]()
    for part in slices:
        if apart.isdisjoint(ids_in([part.ids])):
            others.append(part)
            continue
        for item_id in ids_in([part.ids]):
            (alone if item_id in apart else others).append(part.within(item_id, item_id))
    return alone, others


def attempt_sizes(slices: Sequence[Slice], together: int, apart: Collection[int]) -> list[int]:
    """Return how many items make each attempt: as many as may, but what goes apart alone.

    Args:
        slices: The items.
        together: Most items of an attempt.
        apart: Ids of those that go alone.
    """
    sizes, open_to_more = list[int](), False
    for item_id in ids_in(part.ids for part in slices):
        alone = item_id in apart
        if open_to_more and not alone and sizes[-1] < together:
            sizes[-1] += 1
        else:
            sizes.append(1)
        open_to_more = not alone
    return sizes
