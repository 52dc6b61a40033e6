"""persist-queue: ``SQLiteAckQueue``, with processes, and with threads as it is meant."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from contest import Outcome
from places import open_marks

from rivals.filled import fill_then_drain

PACKAGE = "persist-queue"
DURABLE = "every put, get and ack is a commit of its own (SQLite, WAL, synchronous=FULL)"

_PATH = "persist-queue"


def drain(items: int, workers: int) -> Outcome:
    """Have processes claim and acknowledge items."""
    return fill_then_drain(items, workers, _fill, _queue, _take)


def drain_by_threads(items: int, threads: int) -> Outcome:
    """Have threads of one process claim and acknowledge items."""
    return fill_then_drain(items, 1, _fill, _queue, partial(_take_by_threads, threads))


def _queue() -> Any:
    from persistqueue import SQLiteAckQueue

    return SQLiteAckQueue(_PATH, auto_resume=False, multithreading=True)


def _fill(items: int) -> None:
    queue = _queue()
    for item in range(items):
        queue.put(item)
    queue.close()


def _take_by_threads(count: int, queue: Any) -> float:
    with ThreadPoolExecutor(count) as threads:
        return max(threads.map(_take, [queue] * count))


def _take(queue: Any) -> float:
    from persistqueue import Empty

    marks, last = open_marks(), time.monotonic()
    while True:
        try:
            got = queue.get(block=False, raw=True)
        except Empty:
            return last
        marks[got["data"]] += 1
        queue.ack(id=got["pqid"])
        last = time.monotonic()
