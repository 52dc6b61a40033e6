"""A load through a `Pipeline` of two stages, with evidence of everything it does."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from evidence import EFFECTS, Pen

from persistq import Pipeline, Put, Retry
from persistq.client import outputs

ITEMS = int(os.environ["SOAK_ITEMS"])
SHORT_S = float(os.environ["SOAK_SHORT_S"])
LONG_S = float(os.environ["SOAK_LONG_S"])
OUTPUT = os.environ.get("SOAK_OUTPUT", "")
"""How what the first stage makes goes on: "spooled", "streamed" or, as usual, with its report.

If it is "behind cursors", the source says with each item how far it has come. If it is "keyed",
items have natural keys. If it is "asked", it is asked for them; if it is "two sources", each yields
one half.
If it is "deferred", the first stage puts each item off once.
If it is "batched", that stage gets batches, and each batch raises, so that it goes item by item;
so too if it is "metered", where each of these calls waits for its time. If
it is "stored", that stage has a sink, which is away for a moment. If it is "in contexts", it has a
context. If it is "with checkpoints", it says how far it has come. If it is
"recycled", its workers are replaced after three items, and what it does is printed; if it is "at
once", they also work on two items at the same time.
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


def keys(*, first: int = 0) -> Iterator[int]:
    """Yield every key, from one on."""
    effects.write("P", "source", os.getpid())
    for number in range(first, ITEMS):
        if number % PACE_ITEMS == 0:
            time.sleep(PACE_S)
        yield number


def keys_behind(cursor: int | None) -> Iterator[Put]:
    """Yield every key behind a cursor, and say how far that is."""
    for number in keys(first=cursor or 0):
        yield Put(number, cursor=number + 1)


KEYED = OUTPUT == "keyed"


def itself(number: int) -> int:
    """Return what names an item: its value."""
    return number


def keys_wanted(wanted: int, cursor: int | None) -> Iterator[Put]:
    """Yield so many keys behind a cursor."""
    for number in islice(keys(first=cursor or 0), wanted):
        yield Put(number, cursor=number + 1)


def even_keys() -> Iterator[int]:
    """Yield every second key."""
    return islice(keys(), 0, None, 2)


def odd_keys() -> Iterator[int]:
    """Yield the others."""
    return islice(keys(), 1, None, 2)


if OUTPUT == "asked":
    pipeline.source(poll=True, interval=0.01, exhausted_after=10, max_outstanding=8)(keys_wanted)
elif OUTPUT == "two sources":
    pipeline.source(even_keys)
    pipeline.source(odd_keys)
else:
    pipeline.source(key=itself if KEYED else None, once=KEYED)(
        keys_behind if OUTPUT == "behind cursors" else keys
    )


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
    if OUTPUT == "deferred" and not Path(f"deferred-{number}").exists():
        Path(f"deferred-{number}").touch()
        raise Retry(0, counts=False)
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


def connect() -> Iterator[list[int]]:
    """Give each worker a list, and empty it when it ends."""
    numbers: list[int] = []
    yield numbers
    numbers.clear()


def with_context(number: int, item: Any, ctx: list[int]) -> int:
    """Work on a number, note it in the context, and pass it on."""
    work(f"a{number}", item.attempt)
    ctx.append(number)
    return number


def with_checkpoint(number: int, item: Any) -> int:
    """Say how far it has come, work on a number, and pass it on."""
    assert item.last_checkpoint in {None, number}
    item.checkpoint(number)
    work(f"a{number}", item.attempt)
    return number


def printing(number: int, item: Any) -> int:
    """Say what it does, work on a number, and pass it on."""
    print("at work on", number)
    work(f"a{number}", item.attempt)
    return number


async def awaited(number: int, item: Any) -> int:
    """Do the same, and let others go on before it."""
    await asyncio.sleep(0)
    return printing(number, item)


if OUTPUT == "at once":
    pipeline.stage(name="first", concurrency=2, max_items_per_worker=3)(awaited)
elif OUTPUT == "recycled":
    pipeline.stage(name="first", max_items_per_worker=3)(printing)
elif OUTPUT == "with checkpoints":
    pipeline.stage(name="first")(with_checkpoint)
elif OUTPUT == "in contexts":
    pipeline.context(connect)
    pipeline.stage(name="first")(with_context)
elif OUTPUT == "stored":
    pipeline.stage(name="first", sink=target)(stored)
elif OUTPUT == "metered":
    pipeline.stage(name="first", batch=4, linger=0.01, rate="500/s")(in_batches)
elif OUTPUT == "batched":
    pipeline.stage(name="first", batch=4, linger=0.01)(in_batches)
else:
    pipeline.stage(stream=OUTPUT == "streamed")(first)


@pipeline.stage(key=itself if KEYED else None)
def second(number: int, item: Any) -> None:
    """Work on a number again; it ends here."""
    work(f"b{number}", item.attempt)


if __name__ == "__main__":
    pipeline.run()
