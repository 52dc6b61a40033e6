"""turbo-queue: batches of items in files of their own, without acknowledgement.

Its module has the name of this one; imports here are absolute, so it is found all the same.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from contest import Outcome
from places import open_marks

from rivals.filled import fill_then_drain

PACKAGE = "turbo-queue"
DURABLE = (
    "nothing is synced (SQLite, synchronous=OFF), a batch file is deleted once it is read, and "
    "items in the hand of a killed worker come back only by chance"
)

BATCH = 1_000
_NAME = "items"


def drain(items: int, workers: int) -> Outcome:
    """Write files of a thousand items and have processes read them; items are dicts here."""
    if items % BATCH:
        raise ValueError(f"only whole batches of {BATCH} become visible")
    return fill_then_drain(items, workers, _fill, _reader, _take)


def _fill(items: int) -> None:
    import turbo_queue

    queue: Any = turbo_queue.enqueue()
    _place(queue)
    queue.max_ready_files = items
    queue.max_events_per_file = BATCH
    queue.start()
    queue.update_enqueue_active_state()
    for item in range(items):
        queue.add({"n": item})


def _reader() -> Any:
    import turbo_queue

    queue: Any = turbo_queue.dequeue()
    _place(queue)
    return queue


def _take(queue: Any) -> float:
    marks, last = open_marks(), time.monotonic()
    while True:
        found = False
        for item in queue.get():
            if item is None:
                break
            found = True
            marks[item["n"]] += 1
        if not found:
            return last
        last = time.monotonic()


def _place(queue: Any) -> None:
    queue.setup_logging(log_file="turbo_queue.log")
    queue.root_path = str(Path.cwd())
    queue.queue_name = _NAME
