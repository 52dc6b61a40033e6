"""Tasks of asyncio that wait, so many at the same time."""

from __future__ import annotations

import asyncio
import time

from contest import Outcome
from places import Stamps

from rivals.spinning import wall

DURABLE = "nothing is: items are tasks"


async def sleep(seconds: float) -> tuple[float, float]:
    """Wait, and return from when to when, on the clock that all processes share."""
    began = time.monotonic()
    await asyncio.sleep(seconds)
    return began, time.monotonic()


def alone(items: int, seconds: float, at_once: int) -> Outcome:
    """Sleep so many times in one process, so many of them at the same time."""
    stamps = Stamps(items)
    asyncio.run(_all(stamps, items, seconds, at_once))
    return wall(stamps)


async def _all(stamps: Stamps, items: int, seconds: float, at_once: int) -> None:
    free = asyncio.Semaphore(at_once)

    async def one(item: int) -> None:
        async with free:
            stamps.write(item, *await sleep(seconds))

    await asyncio.gather(*map(one, range(items)))
