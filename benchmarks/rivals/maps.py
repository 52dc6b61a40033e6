"""persistq.map, and the standard library's pool as it is used in its place: started and ended."""

from __future__ import annotations

import time
from functools import cache, partial
from mmap import mmap
from multiprocessing import Pool

from contest import Outcome
from places import Stamps, count_marks, make_marks, open_marks

import persistq
from rivals.spinning import spin, wall

DURABLE = "every item and every result is in the journal (SQLite, WAL); default settings"


def tiny(items: int, workers: int) -> Outcome:
    """Call a function that costs nothing; from the call to the last result."""
    make_marks(items)
    began = time.perf_counter()
    for _ in persistq.map(mark, range(items), name="bench", workers=workers):
        pass
    took = time.perf_counter() - began
    return Outcome(items / took, count_marks())


def spinning(items: int, workers: int, seconds: float) -> Outcome:
    """Run items that take a given time; from the first one's start to the last one's end."""
    stamps = Stamps(items)
    function = partial(spin_for, seconds)
    for _ in persistq.map(function, range(items), name="bench", workers=workers):
        pass
    return wall(stamps)


def pool(items: int, workers: int) -> Outcome:
    """The same with a pool that is made for it, and hands out one item at a time."""
    make_marks(items)
    began = time.perf_counter()
    with Pool(workers) as made:
        for _ in made.imap_unordered(mark, range(items), chunksize=1):
            pass
    took = time.perf_counter() - began
    return Outcome(items / took, count_marks())


def mark(item: int) -> int:
    """Note that an item has come."""
    _marks()[item] += 1
    return item


def spin_for(seconds: float, item: int) -> int:
    """Be busy, and note when."""
    _stamps().write(item, *spin(seconds))
    return item


@cache
def _marks() -> mmap:
    return open_marks()


@cache
def _stamps() -> Stamps:
    return Stamps()
