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

_DONE = {
    False: "SELECT count(*) FROM done_log",
    True: "SELECT coalesce(sum(last_id - first_id + 1), 0) FROM done_range",
}
_SIZE = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"


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


def weigh(items: int, workers: int, width: int) -> Outcome:
    """Put integers, or strings of so many digits, drain them, and weigh the journal.

    Args:
        items: Number of items.
        workers: Number of processes that drain.
        width: Length of the strings; 0 for integers.
    """
    make_marks(items)
    queue: PersistentQueue[Any] = PersistentQueue("bench")
    crew = Crew(workers, _take, queue)
    crew.begin()
    queue.put_many(str(item).zfill(width) if width else item for item in range(items))
    queue.close()
    crew.join()
    details = _recorded(queue)
    return Outcome(details["journal_bytes"] / items, count_marks(), details)


def _take(queue: PersistentQueue[Any]) -> None:
    marks = open_marks()
    for item in queue:
        marks[int(item)] += 1
        queue.task_done()


def _take_blobs(queue: PersistentQueue[bytes]) -> None:
    marks = open_marks()
    for item in queue:
        marks[item_of(item)] += 1
        queue.task_done()


def _recorded(queue: PersistentQueue[Any]) -> dict[str, Any]:
    """Return how many done marks the journal holds, and how large it is."""
    uri = f"{Path(queue.journal).as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as journal:
        recorded = journal.execute(_DONE[_has_ranges(journal)]).fetchone()[0]
        # Also what lies in the log still, and is folded into the file when its broker ends.
        size = journal.execute(_SIZE).fetchone()[0]
    return {"recorded": recorded, "journal_bytes": size, "journal_mb": round(size / 1e6, 1)}


def _has_ranges(journal: sqlite3.Connection) -> bool:
    """Return whether a journal has ranges of done items, or a row for each."""
    tables = journal.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'done_range'")
    return bool(tables.fetchone()[0])
