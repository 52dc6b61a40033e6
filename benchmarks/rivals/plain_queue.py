"""``multiprocessing.Queue``: rows in a pipe."""

from __future__ import annotations

import time
from functools import partial
from multiprocessing import Queue
from typing import Any

from contest import Outcome
from places import open_marks

from rivals.flowing import flow, row

DURABLE = "nothing is: items live in a pipe"


def carry(items: int, readers: int) -> Outcome:
    """Put rows one by one, then a None for each reader."""
    queue: Any = Queue()
    same = partial(_same, queue)
    return flow(items, readers, same, partial(_put, readers), same, _take)


def _same(queue: Any) -> Any:
    return queue


def _put(readers: int, queue: Any, items: int) -> None:
    for number in range(items):
        queue.put(row(number))
    for _ in range(readers):
        queue.put(None)


def _take(queue: Any) -> float:
    marks, last = open_marks(), time.monotonic()
    while (one := queue.get()) is not None:
        marks[one["n"]] += 1
        last = time.monotonic()
    return last
