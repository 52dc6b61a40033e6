"""litequeue: one table, a status column, an atomic claim."""

from __future__ import annotations

import time
from typing import Any

from contest import Outcome
from places import open_marks

from rivals.filled import fill_then_drain

PACKAGE = "litequeue"
DURABLE = "every put, pop and done is a commit of its own (SQLite, WAL, synchronous=NORMAL)"


def drain(items: int, workers: int) -> Outcome:
    """Have processes pop items and mark them done; items are strings here."""
    return fill_then_drain(items, workers, _fill, _queue, _take)


def _queue() -> Any:
    from litequeue import LiteQueue

    return LiteQueue("litequeue.db")


def _fill(items: int) -> None:
    queue = _queue()
    for item in range(items):
        queue.put(str(item))
    queue.close()


def _take(queue: Any) -> float:
    marks, last = open_marks(), time.monotonic()
    while (message := queue.pop()) is not None:
        marks[int(message.data)] += 1
        queue.done(message.message_id)
        last = time.monotonic()
    return last
