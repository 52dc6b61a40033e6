"""joblib: calls of a function in processes of loky, each result as it is made."""

from __future__ import annotations

import time
from functools import cache
from mmap import mmap

from contest import Outcome
from places import Stamps, count_marks, make_marks, open_marks

from rivals.spinning import spin, wall

PACKAGE = "joblib"
DURABLE = "nothing is: calls and results live in pipes"


def tiny(items: int, workers: int) -> Outcome:
    """Call a function that costs nothing; from the call to the last result."""
    from joblib import Parallel, delayed

    make_marks(items)
    began = time.perf_counter()
    calls = (delayed(_mark)(item) for item in range(items))
    for _ in Parallel(workers, return_as="generator_unordered")(calls):
        pass
    took = time.perf_counter() - began
    return Outcome(items / took, count_marks())


def spinning(items: int, workers: int, seconds: float) -> Outcome:
    """Run items that take a given time; from the first one's start to the last one's end."""
    from joblib import Parallel, delayed

    stamps = Stamps(items)
    calls = (delayed(_spin)(item, seconds) for item in range(items))
    for _ in Parallel(workers, return_as="generator_unordered", batch_size=1)(calls):
        pass
    return wall(stamps)


def _mark(item: int) -> int:
    _marks()[item] += 1
    return item


def _spin(item: int, seconds: float) -> int:
    _stamps().write(item, *spin(seconds))
    return item


@cache
def _marks() -> mmap:
    return open_marks()


@cache
def _stamps() -> Stamps:
    return Stamps()
