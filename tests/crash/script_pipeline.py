"""A load through a `Pipeline` of two stages, with evidence of everything it does."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from evidence import EFFECTS, Pen

from persistq import Pipeline
from persistq.client import outputs

ITEMS = int(os.environ["SOAK_ITEMS"])
SHORT_S = float(os.environ["SOAK_SHORT_S"])
LONG_S = float(os.environ["SOAK_LONG_S"])
OUTPUT = os.environ.get("SOAK_OUTPUT", "")
"""How what the first stage makes goes on: "spooled", "streamed" or, as usual, with its report.

If it is "batched", that stage gets batches, and each batch raises, so that it goes item by item. If
it is "stored", that stage has a sink, which is away for a moment.
"""

INTERRUPT_AT = int(os.environ.get("SOAK_INTERRUPT_AT", "-1"))
LONG_EVERY = 10
PACE_ITEMS = 40
PACE_S = 0.01
"""The source takes a good part of the load's time, so that kills find it alive."""

effects = Pen(Path(EFFECTS))
pipeline = Pipeline("soak", workers=2)
if OUTPUT == "spooled":
    outputs.ITEMS_MAX = outputs.SPOOLED_BLOCKS = 1  # type: ignore[misc]


def work(key: str, attempt: int) -> None:
    """Take about as long as items of both kinds do, and have an effect."""
    began = time.monotonic()
    effects.write("S", key, attempt, os.getpid())
    if int(key[1:]) % LONG_EVERY == 0:
        time.sleep(LONG_S)
    # The shortest handler bounds how many finished items fit in ack_interval, so it is spun.
    while time.monotonic() - began < SHORT_S:
        pass
    effects.write("E", key, os.getpid())


@pipeline.source
def keys() -> Iterator[int]:
    """Yield every key."""
    effects.write("P", "source", os.getpid())
    for number in range(ITEMS):
        if number % PACE_ITEMS == 0:
            time.sleep(PACE_S)
        yield number


def in_batches(numbers: list[int], items: list[Any]) -> list[int]:
    """Refuse several numbers; work on a single one and pass it on."""
    if len(numbers) > 1:
        raise ValueError("one at a time")
    work(f"a{numbers[0]}", items[0].attempt)
    return numbers


def first(number: int, item: Any) -> Iterator[int]:
    """Work on a number and pass it on."""
    if number == INTERRUPT_AT:
        os.kill(os.getppid(), signal.SIGTERM)
    if OUTPUT != "streamed":
        work(f"a{number}", item.attempt)
    yield number
    if OUTPUT == "streamed":
        work(f"a{number}", item.attempt)


def target() -> sqlite3.Connection:
    """Connect to the sink."""
    return sqlite3.connect("stored.db", timeout=30)


tries = iter(range(2))


def stored(number: int, item: Any) -> int:
    """Find the sink away, twice; work on a number and pass it on."""
    if number == 1 and next(tries, None) is not None:
        away = sqlite3.OperationalError("database or disk is full")
        away.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise away
    work(f"a{number}", item.attempt)
    return number


if OUTPUT == "stored":
    pipeline.stage(name="first", sink=target)(stored)
elif OUTPUT == "batched":
    pipeline.stage(name="first", batch=4, linger=0.01)(in_batches)
else:
    pipeline.stage(stream=OUTPUT == "streamed")(first)


@pipeline.stage
def second(number: int, item: Any) -> None:
    """Work on a number again; it ends here."""
    work(f"b{number}", item.attempt)


if __name__ == "__main__":
    pipeline.run()
