"""localqueue: ``SimpleQueue``, an engine in Rust over SQLite."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from contest import Outcome
from places import open_marks

from rivals.filled import fill_then_drain

PACKAGE = "localqueue"
DURABLE = {
    "DURABLE": "every put_many, get and ack is a commit of its own (SQLite, WAL, FULL)",
    "RELAXED": "every put_many, get and ack is a commit of its own (SQLite, WAL, NORMAL; default)",
}

_LEASE_S = 60.0
_CHUNK = 1_000


def drain(items: int, workers: int, durability: str) -> Outcome:
    """Put items a thousand at a time, and have processes claim and acknowledge them."""
    opened = partial(_queue, durability)
    return fill_then_drain(items, workers, partial(_fill, durability), opened, _take)


def _queue(durability: str) -> Any:
    from localqueue import DeliveryPolicy, DurabilityMode, SimpleQueue

    policy = DeliveryPolicy(lease_seconds=_LEASE_S)
    return SimpleQueue("localqueue", delivery=policy, durability=DurabilityMode[durability])


def _fill(durability: str, items: int) -> None:
    queue = _queue(durability)
    for start in range(0, items, _CHUNK):
        queue.put_many(list(range(start, min(start + _CHUNK, items))))
    queue.close()


def _take(queue: Any) -> float:
    from localqueue import Empty

    marks, last = open_marks(), time.monotonic()
    while True:
        try:
            job = queue.get_nowait()
        except Empty:
            return last
        marks[job.data] += 1
        queue.ack(job)
        last = time.monotonic()
