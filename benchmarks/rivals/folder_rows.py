"""persistq's directories of batch files, used as their documentation says."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from contest import Outcome
from places import open_marks

from persistq import FolderQueue
from rivals.flowing import flow, row

DURABLE = (
    "every row survives its process; each file is synced before readers see it, so that its rows "
    "survive a power cut too; rows in the hand of a killed reader come again with their file"
)
DURABLE_WITHOUT_SYNC = (
    "every row survives its process; a power cut may cost rows; rows in the hand of a killed "
    "reader come again with their file"
)


def carry(items: int, readers: int, batch: int, *, sync: bool) -> Outcome:
    """Put rows one by one, into files of so many, while readers get and finish them one by one."""
    opened = partial(FolderQueue.rows, "rows", batch=batch, ready_max=0, sync=sync)
    return flow(items, readers, partial(opened, producer="bench"), _put, opened, _take)


def _put(queue: Any, items: int) -> None:
    for number in range(items):
        queue.put(row(number))
    queue.close()


def _take(queue: Any) -> float:
    marks, last = open_marks(), time.monotonic()
    for one in queue:
        marks[one["n"]] += 1
        queue.task_done()
        last = time.monotonic()
    return last
