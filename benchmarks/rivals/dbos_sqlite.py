"""DBOS on SQLite: every item is a workflow, started from a durable queue.

It does more for each item than a queue does: it stores inputs, outputs and steps. On PostgreSQL,
which it recommends for production, figures would be others.
"""

from __future__ import annotations

import os
import time
from functools import partial
from multiprocessing import Process, Value
from pathlib import Path
from typing import Any

from contest import Outcome
from places import open_marks

from rivals.filled import fill_then_drain

PACKAGE = "dbos"
DURABLE = "every change of a workflow's state is a commit (SQLite, rollback journal, FULL)"

_APP, _QUEUE = "bench-app", "items"
_POLL_S = 0.05
_THREADS = 10


def drain(items: int, workers: int) -> Outcome:
    """Enqueue one workflow for each item, and have processes of ten threads each run them."""
    return fill_then_drain(items, workers, _fill, _application, _take)


def _application() -> tuple[Any, Any]:
    """Configure DBOS in this process; nothing runs until it is launched."""
    from dbos import DBOS

    marks = open_marks()

    def mark(item: int) -> int:
        marks[item] += 1
        return item

    DBOS(
        config={
            "name": _APP,
            "system_database_url": f"sqlite:///{Path('dbos.sqlite').resolve()}",
            "executor_id": str(os.getpid()),
            "application_version": "1",
            "run_admin_server": False,
            "log_level": "ERROR",
        }
    )
    return DBOS, DBOS.workflow(name="mark")(mark)


def _fill(items: int) -> float:
    # DBOS starts threads, which a process that forks workers afterwards must not have.
    seconds = Value("d")
    filler = Process(target=_enqueue, args=(items, seconds))
    filler.start()
    filler.join()
    if filler.exitcode:
        raise RuntimeError("the process that enqueues crashed")
    return float(seconds.value)


def _enqueue(items: int, seconds: Any) -> None:
    dbos, workflow = _application()
    dbos.listen_queues([])
    dbos.launch()
    dbos.register_queue(_QUEUE, worker_concurrency=_THREADS, polling_interval_sec=_POLL_S)
    began = time.perf_counter()
    for item in range(items):
        dbos.enqueue_workflow(_QUEUE, workflow, item)
    seconds.value = time.perf_counter() - began
    dbos.destroy()


def _take(application: tuple[Any, Any]) -> float:
    dbos, _ = application
    dbos.listen_queues([_QUEUE])
    dbos.launch()
    unfinished = partial(dbos.list_workflows, status=["ENQUEUED", "PENDING"], limit=1)
    while unfinished(load_input=False):
        time.sleep(_POLL_S)
    last = time.monotonic()
    dbos.destroy()
    return last
