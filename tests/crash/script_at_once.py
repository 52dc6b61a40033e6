"""The program of the concurrent soak: two stages that work on twenty items at the same time."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from persistq import Pipeline

ENOUGH = Path("enough")
"""When it is there the source comes to its end."""
LOG = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
POISON_EVERY = 701
"""So many items there are for each that kills its worker twice, when it is alone."""
SECONDS = (0.005, 0.1)

pipeline = Pipeline("concurrent", workers=2)


def note(*words: object) -> None:
    """Leave one line of evidence."""
    os.write(LOG, (" ".join(map(str, words)) + "\n").encode())


@pipeline.source(max_outstanding=400)
def numbers() -> Iterator[int]:
    """Yield numbers, the same ones each time."""
    for number in count():
        if ENOUGH.exists():
            return
        yield number


@pipeline.context
async def context() -> AsyncIterator[int]:
    """Say when it begins and ends, and what is left then beside itself."""
    note("up", os.getpid())
    yield os.getpid()
    note("down", os.getpid(), len(asyncio.all_tasks()) - 1)


def begin(stage: str, number: int, item: Any) -> float:
    """Say that work on an item begins, and return for how long; a poisonous one is the end."""
    note("begin", os.getpid(), stage, item.id)
    if number % POISON_EVERY == 0 and item.attempt < 3:
        note("poison", os.getpid(), item.id)
        os.kill(os.getpid(), signal.SIGKILL)
    return random.uniform(*SECONDS)


@pipeline.stage(concurrency=20, max_items_per_worker=50, max_crashes=1000)
async def fetch(number: int, ctx: int, item: Any) -> int:
    """Wait, as for an answer."""
    assert ctx == os.getpid()
    await asyncio.sleep(begin("fetch", number, item))
    note("end", os.getpid(), "fetch", item.id)
    return number


@pipeline.stage(threads=20, max_items_per_worker=50, max_crashes=1000)
def store(number: int, ctx: int, item: Any) -> None:
    """Wait, and let nobody else have this thread."""
    assert ctx == os.getpid()
    time.sleep(begin("store", number, item))
    note("end", os.getpid(), "store", item.id)


if __name__ == "__main__":
    pipeline.run(start_method="fork", shutdown_grace=0.05)
