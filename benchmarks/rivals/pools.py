"""The standard library's pools: they keep nothing, and hand out one function call at a time."""

from __future__ import annotations

import mmap
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Pool

from contest import Outcome
from places import Stamps, count_marks, make_marks, open_marks

from rivals.spinning import spin, wall

DURABLE = "nothing is: items live in a pipe"

_marks: mmap.mmap
_stamps: Stamps


def imap(items: int, workers: int, chunksize: int) -> Outcome:
    """Run ``Pool.imap_unordered`` over integers, the pool started before."""
    make_marks(items)
    with Pool(workers, initializer=_open) as pool:
        pool.map(_nothing, range(workers * 4), chunksize=1)
        began = time.perf_counter()
        for _ in pool.imap_unordered(_mark, range(items), chunksize=chunksize):
            pass
        took = time.perf_counter() - began
    return Outcome(items / took, count_marks())


def executor(items: int, workers: int, chunksize: int) -> Outcome:
    """Run ``ProcessPoolExecutor.map`` over integers, the pool started before."""
    make_marks(items)
    with ProcessPoolExecutor(workers, initializer=_open) as pool:
        list(pool.map(_nothing, range(workers * 4)))
        began = time.perf_counter()
        for _ in pool.map(_mark, range(items), chunksize=chunksize):
            pass
        took = time.perf_counter() - began
    return Outcome(items / took, count_marks())


def imap_spinning(items: int, workers: int, seconds: float) -> Outcome:
    """Run items that take a given time; from the first one's start to the last one's end."""
    stamps = Stamps(items)
    with Pool(workers, initializer=_open_stamps) as pool:
        pool.map(_nothing, range(workers * 4), chunksize=1)
        work = ((item, seconds) for item in range(items))
        for _ in pool.imap_unordered(_spin, work, chunksize=1):
            pass
    return wall(stamps)


def _open() -> None:
    global _marks  # noqa: PLW0603 - the initializer of a pool has no other place
    _marks = open_marks()


def _open_stamps() -> None:
    global _stamps  # noqa: PLW0603 - the initializer of a pool has no other place
    _stamps = Stamps()


def _nothing(item: int) -> int:
    return item


def _mark(item: int) -> int:
    _marks[item] += 1
    return item


def _spin(work: tuple[int, float]) -> int:
    item, seconds = work
    _stamps.write(item, *spin(seconds))
    return item
