"""Into which parts a batch is taken that has raised, and what is to blame by itself.

What raised says how far the database had come, if its driver knows (`guessing`). Then the item
that it had come to is tried alone, those before it together, and those behind it in smaller parts,
because another bad one may be among them. Otherwise all are taken in four. So is the next batch
from the beginning, because bad items seldom come alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from persistq.sinks.ending import Ending, NotStored
from persistq.sinks.faults import fault_of

PARTS: Final = 4
"""Into how many parts a batch is taken that raised. Two take as many attempts to find one bad item,
and do more over again: what a failed attempt had stored before it failed."""

SMALL: Final = 50
"""Behind a bad item, parts are not made smaller than this: each costs two savepoints."""


class Blamed(Exception):
    """A handler has said which items of an attempt failed.

    Attributes:
        errors: For each, by position in the batch.
    """

    def __init__(self, errors: Mapping[int, BaseException]) -> None:
        super().__init__(errors)
        self.errors = errors


@dataclass(slots=True)
class Suspicion:
    """Which item of an attempt that raised is the bad one, and whether to go by that.

    Attributes:
        item: Its index in the attempt; None if nobody knows.
        trusted: Whether no item that was suspected has turned out to be good. A handler that
            inserts several rows for an item, say, is never understood.
        tried: The position in the batch of the last suspect that is tried alone.
    """

    item: int | None = None
    trusted: bool = True
    tried: int | None = None

    def of(self, count: int) -> int | None:
        """Return the index of the suspect among so many, if there is one."""
        known = self.trusted and self.item is not None and 0 <= self.item < count
        return self.item if known else None

    def acquit(self, positions: Sequence[int]) -> None:
        """Note that an attempt at these positions has gone well."""
        if len(positions) == 1 and positions[0] == self.tried:
            self.trusted = False


def divided(
    positions: Sequence[int],
    error: BaseException,
    suspicion: Suspicion,
    endings: dict[int, Ending],
) -> list[Sequence[int]]:
    """Return the parts to try after an error; what is to blame by itself gets its ending."""
    if isinstance(error, Blamed):
        endings |= {
            position: NotStored(fault_of(each), each) for position, each in error.errors.items()
        }
        rest = [position for position in positions if position not in error.errors]
        return [rest] if rest else []
    if len(positions) == 1:
        endings[positions[0]] = NotStored(fault_of(error), error)
        return []
    suspect = suspicion.of(len(positions))
    suspicion.tried = None if suspect is None else positions[suspect]
    return [*(_cut(positions, 1) if suspect is None else _around(positions, suspect))]


def beforehand(positions: Sequence[int]) -> list[Sequence[int]]:
    """Return the parts to begin with where bad items are expected: less is done over again then."""
    return [*_cut(positions, SMALL)]


def _around(positions: Sequence[int], suspect: int) -> Iterator[Sequence[int]]:
    yield positions[suspect : suspect + 1]
    if suspect:
        yield positions[:suspect]
    yield from _cut(positions[suspect + 1 :], SMALL)


def _cut(positions: Sequence[int], least: int) -> Iterator[Sequence[int]]:
    size = max(least, -(-len(positions) // PARTS))
    for start in range(0, len(positions), size):
        yield positions[start : start + size]
