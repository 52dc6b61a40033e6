"""SimpleBroker: messages are moved to a queue of those in flight, and deleted when done."""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from typing import Any

from contest import Outcome
from places import open_marks

from rivals.filled import fill_then_drain

PACKAGE = "simplebroker"
DURABLE = "every write, move and delete is a commit of its own (SQLite, WAL, synchronous=FULL)"
DURABLE_BATCH = "each batch of moves and of deletes is a commit (SQLite, WAL, synchronous=FULL)"

_TASKS, _IN_FLIGHT = "tasks", "inflight"


def drain(items: int, workers: int) -> Outcome:
    """Have processes move items to those in flight and delete them, one at a time."""
    return fill_then_drain(items, workers, _fill, _queues, _take)


def drain_in_batches(items: int, workers: int, batch: int) -> Outcome:
    """The same, so many items with each call."""
    return fill_then_drain(items, workers, _fill, _queues, partial(_take_batches, batch))


def _queue(name: str) -> Any:
    from simplebroker import Queue

    return Queue(name, db_path="simplebroker.db", persistent=True)


def _fill(items: int) -> None:
    with closing(_queue(_TASKS)) as tasks:
        for item in range(items):
            tasks.write(str(item))


def _queues() -> tuple[Any, Any]:
    return _queue(_TASKS), _queue(_IN_FLIGHT)


def _take(queues: tuple[Any, Any]) -> float:
    tasks, in_flight = queues
    marks, last = open_marks(), time.monotonic()
    while (message := tasks.move_one(_IN_FLIGHT, with_timestamps=True)) is not None:
        body, timestamp = message
        marks[int(body)] += 1
        in_flight.delete(message_id=timestamp)
        last = time.monotonic()
    return last


def _take_batches(batch: int, queues: tuple[Any, Any]) -> float:
    tasks, in_flight = queues
    marks, last = open_marks(), time.monotonic()
    while messages := tasks.move_many(_IN_FLIGHT, batch, with_timestamps=True):
        for body, _ in messages:
            marks[int(body)] += 1
        in_flight.delete_many([timestamp for _, timestamp in messages])
        last = time.monotonic()
    return last
