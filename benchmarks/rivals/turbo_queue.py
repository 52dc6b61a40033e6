"""turbo-queue: batches of items in files of their own, without acknowledgement.

Its module has the name of this one; imports here are absolute, so it is found all the same. It
imports a client of Kafka, which it does not declare, for classes that nobody uses here; so a module
without anything stands in for that one.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from contest import Outcome
from places import open_marks

from rivals.filled import fill_then_drain
from rivals.flowing import flow, row

PACKAGE = "turbo-queue"
DURABLE = (
    "nothing is synced (SQLite, synchronous=OFF), a batch file is deleted once it is read, and "
    "items in the hand of a killed worker come back only by chance"
)

BATCH = 1_000
_NAME = "items"
_CLOSED = Path("closed")


def drain(items: int, workers: int) -> Outcome:
    """Write files of a thousand items and have processes read them; items are dicts here."""
    if items % BATCH:
        raise ValueError(f"only whole batches of {BATCH} become visible")
    return fill_then_drain(items, workers, _fill, _reader, _take)


def carry(items: int, readers: int, batch: int) -> Outcome:
    """Put rows one by one, into files of so many, while readers get them.

    As fast as it allows: any number of files may be ready, and the producer never asks how many
    are, which the loop of its README does for every row and which lists the directory. The last
    file, which would stay unseen for ever, is rolled by the method that it has for itself.
    """
    return flow(items, readers, partial(_producer, items, batch), _put, _reader, _take_rows)


def _fill(items: int) -> None:
    queue = _producer(items, BATCH)
    for item in range(items):
        queue.add({"n": item})


def _put(queue: Any, items: int) -> None:
    for number in range(items):
        queue.add(row(number))
    if queue.row_count:
        queue._roll_next_batch()  # noqa: SLF001 - there is no other way
    _CLOSED.touch()


def _producer(items: int, batch: int) -> Any:
    queue = _library().Enqueue()
    _place(queue)
    queue.max_ready_files = items
    queue.max_events_per_file = batch
    queue.start()
    queue.update_enqueue_active_state()
    return queue


def _reader() -> Any:
    queue = _library().Dequeue()
    _place(queue)
    return queue


def _library() -> Any:
    kafka: Any = ModuleType("confluent_kafka")
    kafka.Consumer = kafka.Producer = None
    sys.modules.setdefault("confluent_kafka", kafka)
    import turbo_queue

    return turbo_queue


def _take_rows(queue: Any) -> float:
    marks, last = open_marks(), time.monotonic()
    while True:
        # Asked before: what was put until it was closed is then there to be found.
        closed, found = _CLOSED.exists(), False
        for one in queue.get():
            if one is None:
                break
            found = True
            marks[one["n"]] += 1
            last = time.monotonic()
        if closed and not found:
            return last


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
