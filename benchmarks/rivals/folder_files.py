"""Files claimed and finished: by persistq's folders, and by nothing but two renames."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from contest import Outcome
from crew import Crew
from places import count_marks, make_marks, open_marks

from persistq import FolderQueue

DURABLE = "what was claimed and not finished when its process dies waits again"
DURABLE_BARE = "what was claimed when its process dies stays claimed for ever"

_IN, _DONE = "in", "done"


def settle(files: int, readers: int) -> Outcome:
    """Claim and finish files that lie there, each by `get` and `task_done`."""
    return _settled(files, readers, _queue, _take)


def rename(files: int, readers: int) -> Outcome:
    """List them once, and rename each two times, as the shortest loop does it."""
    Path(_DONE).mkdir()
    return _settled(files, readers, _own_directory, _take_bare)


def _settled(files: int, readers: int, arrive: Any, take: Any) -> Outcome:
    make_marks(files)
    Path(_IN).mkdir()
    for number in range(files):
        Path(_IN, str(number)).write_text("x")
    crew = Crew(readers, take, arrive=arrive)
    crew.begin()
    return Outcome(files / crew.join().seconds, count_marks())


def _queue() -> Any:
    return FolderQueue(_IN, drain=True)


def _take(queue: Any) -> float:
    marks, last = open_marks(), time.monotonic()
    for path in queue:
        marks[int(path.name.rpartition(".")[2])] += 1
        queue.task_done()
        last = time.monotonic()
    return last


def _own_directory() -> str:
    mine = f"taken-{os.getpid()}"
    Path(mine).mkdir()
    return mine


def _take_bare(mine: str) -> float:
    marks, last = open_marks(), time.monotonic()
    for name in sorted(os.listdir(_IN)):  # noqa: PTH208 - the shortest loop
        try:
            os.rename(f"{_IN}/{name}", f"{mine}/{name}")  # noqa: PTH104 - the same
        except FileNotFoundError:
            continue
        marks[int(name)] += 1
        os.rename(f"{mine}/{name}", f"{_DONE}/{name}")  # noqa: PTH104 - the same
        last = time.monotonic()
    return last
