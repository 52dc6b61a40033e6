"""``multiprocessing.JoinableQueue``, which scripts use today."""

from __future__ import annotations

import fcntl
import time
from multiprocessing import JoinableQueue
from typing import Any

from contest import Outcome
from crew import Crew
from places import count_marks, make_marks, open_marks

from rivals.blobs import blob, blobs, item_of

DURABLE = "nothing is: items live in a pipe"

PIPE_BYTES = 1 << 20


def drain(items: int, workers: int) -> Outcome:
    """Put integers while workers drain the queue, until ``join`` returns and they have ended."""
    make_marks(items)
    queue: Any = JoinableQueue()
    crew = Crew(workers, _take, queue)
    crew.begin()
    began = time.perf_counter()
    for item in range(items):
        queue.put(item)
    put = time.perf_counter() - began
    _end(queue, crew, workers)
    took = time.perf_counter() - began
    return Outcome(items / took, count_marks(), {"put_rate": items / put})


def put_each(items: int) -> Outcome:
    """Put integers one by one, with nobody there to get them.

    They have to fit into the pipe, or else its feeder would wait for ever.
    """
    queue: Any = JoinableQueue()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(queue._writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)  # noqa: SLF001 - no other way
    queue.put(0)
    began = time.perf_counter()
    for item in range(items):
        queue.put(item)
    put = time.perf_counter() - began
    queue.close()
    queue.join_thread()
    handed_over = time.perf_counter() - began
    return Outcome(items / put, details={"handed_over_rate": items / handed_over})


def carry_blobs(items: int, workers: int, size: int) -> Outcome:
    """Put large byte strings while workers drain the queue; in megabytes per second."""
    make_marks(items)
    body = blob(size)
    queue: Any = JoinableQueue()
    crew = Crew(workers, _take_blobs, queue)
    crew.begin()
    began = time.perf_counter()
    for item in blobs(items, body):
        queue.put(item)
    _end(queue, crew, workers)
    took = time.perf_counter() - began
    return Outcome(items * size / took / 1e6, count_marks())


def _end(queue: Any, crew: Crew, workers: int) -> None:
    for _ in range(workers):
        queue.put(None)
    queue.join()
    crew.join()


def _take(queue: Any) -> None:
    marks = open_marks()
    while (item := queue.get()) is not None:
        marks[item] += 1
        queue.task_done()
    queue.task_done()


def _take_blobs(queue: Any) -> None:
    marks = open_marks()
    while (item := queue.get()) is not None:
        marks[item_of(item)] += 1
        queue.task_done()
    queue.task_done()
