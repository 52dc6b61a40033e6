"""persistq itself, used as its documentation says."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from contest import Outcome
from crew import Crew
from places import count_marks, make_marks, open_marks

from persistq import PersistentQueue
from rivals.blobs import blob, blobs, item_of

DURABLE = (
    "every put and every done mark is in the journal (SQLite, WAL); puts are synced before they "
    "are handed out (FULL), done marks within a second (NORMAL); default settings"
)


def drain(items: int, workers: int) -> Outcome:
    """Put integers in bulk while workers drain the queue, until all are done and recorded."""
    make_marks(items)
    queue: PersistentQueue[int] = PersistentQueue("bench")
    crew = Crew(workers, _take, queue)
    crew.begin()
    began = time.perf_counter()
    queue.put_many(range(items))
    put = time.perf_counter() - began
    queue.close()
    crew.join()
    took = time.perf_counter() - began
    return Outcome(items / took, count_marks(), _recorded(queue) | {"put_rate": items / put})


def fill_then_drain(items: int, workers: int) -> Outcome:
    """Put integers until all are journaled, then let workers drain the queue."""
    make_marks(items)
    queue: PersistentQueue[int] = PersistentQueue("bench")
    began = time.perf_counter()
    queue.put_many(range(items))
    queue.close()
    put = time.perf_counter() - began
    crew = Crew(workers, _take, queue)
    crew.begin()
    drained = crew.join().seconds
    details = _recorded(queue) | {"put_rate": items / put, "drain_rate": items / drained}
    return Outcome(items / (put + drained), count_marks(), details)


def put_each(items: int) -> Outcome:
    """Put integers one by one, with nobody there to get them."""
    queue: PersistentQueue[int] = PersistentQueue("bench")
    queue.put(0)
    queue.flush()
    began = time.perf_counter()
    for item in range(items):
        queue.put(item)
    put = time.perf_counter() - began
    queue.flush()
    handed_over = time.perf_counter() - began
    return Outcome(items / put, details={"handed_over_rate": items / handed_over})


def carry_blobs(items: int, workers: int, size: int, *, many: bool) -> Outcome:
    """Put large byte strings while workers drain the queue; in megabytes per second."""
    make_marks(items)
    body = blob(size)
    queue: PersistentQueue[bytes] = PersistentQueue("bench")
    crew = Crew(workers, _take_blobs, queue)
    crew.begin()
    began = time.perf_counter()
    if many:
        queue.put_many(blobs(items, body))
    else:
        for item in blobs(items, body):
            queue.put(item)
    queue.close()
    crew.join()
    took = time.perf_counter() - began
    return Outcome(items * size / took / 1e6, count_marks(), _recorded(queue))


def _take(queue: PersistentQueue[int]) -> None:
    marks = open_marks()
    for item in queue:
        marks[item] += 1
        queue.task_done()


def _take_blobs(queue: PersistentQueue[bytes]) -> None:
    marks = open_marks()
    for item in queue:
        marks[item_of(item)] += 1
        queue.task_done()


def _recorded(queue: PersistentQueue[Any]) -> dict[str, Any]:
    """Return how many done marks the journal holds, and how large it is."""
    path = Path(queue.journal)
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as journal:
        recorded = journal.execute("SELECT count(*) FROM done_log").fetchone()[0]
    return {"recorded": recorded, "journal_mb": round(path.stat().st_size / 1e6, 1)}
