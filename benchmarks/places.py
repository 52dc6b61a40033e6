"""Files in the current directory in which all processes of a contender note what they do.

They are mapped into memory, so a note costs next to nothing and survives the death of whoever
made it.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import NamedTuple

_MARKS = "marks"
_STAMPS = "stamps"
_STAMP = struct.Struct("dd")


class Delivery(NamedTuple):
    """What became of the items.

    Attributes:
        expected: Items that were put.
        delivered: Times that an item reached a worker.
        distinct: Items that reached one.
    """

    expected: int
    delivered: int
    distinct: int

    @property
    def duplicates(self) -> int:
        """Deliveries of an item that had been delivered before."""
        return self.delivered - self.distinct

    @property
    def lost(self) -> int:
        """Items that were never delivered."""
        return self.expected - self.distinct


def make_marks(items: int) -> None:
    """Make one byte for each item, which counts its deliveries."""
    Path(_MARKS).write_bytes(bytes(items))


def open_marks() -> mmap.mmap:
    """Return the bytes; the worker that gets item ``n`` adds one to byte ``n``."""
    return _mapped(_MARKS)


def count_marks() -> Delivery:
    """Return what the workers have marked."""
    marks = Path(_MARKS).read_bytes()
    return Delivery(len(marks), sum(marks), len(marks) - marks.count(0))


class Stamps:
    """Two moments for each item, on the clock that all processes share.

    Args:
        items: Makes the file for so many; None opens the one that is there.
    """

    def __init__(self, items: int | None = None) -> None:
        if items is not None:
            Path(_STAMPS).write_bytes(bytes(items * _STAMP.size))
        self._map = _mapped(_STAMPS)

    def write(self, item: int, first: float, second: float) -> None:
        """Note both moments of an item."""
        _STAMP.pack_into(self._map, item * _STAMP.size, first, second)

    def read(self) -> list[tuple[float, float]]:
        """Return the moments of all items; 0.0 where nobody wrote."""
        return list(_STAMP.iter_unpack(self._map[:]))

    def of(self, item: int) -> tuple[float, float]:
        """Return the moments of one item."""
        first, second = _STAMP.unpack_from(self._map, item * _STAMP.size)
        return first, second


def _mapped(name: str) -> mmap.mmap:
    with Path(name).open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)
