"""How every durable rival is measured: filled by one process, then drained by several.

One after the other, because writers of one SQLite file wait for each other, some of them by
polling: a rival that is filled and drained at the same time is slower. What workers spend on
finding out that nothing is left is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from contest import Outcome
from crew import Crew
from places import count_marks, make_marks


def fill_then_drain(
    items: int,
    workers: int,
    fill: Callable[[int], float | None],
    arrive: Callable[[], Any],
    take: Callable[[Any], float],
) -> Outcome:
    """Measure a rival.

    Args:
        items: Number of items.
        workers: Number of processes that drain.
        fill: Puts so many items and leaves nothing open; it may return the seconds that count.
        arrive: Imports and opens what a worker needs, before the clock starts.
        take: Gets what was opened and works until nothing is left; returns when it finished its
            last item, on the monotonic clock.
    """
    make_marks(items)
    began = time.perf_counter()
    put = fill(items) or time.perf_counter() - began
    crew = Crew(workers, take, arrive=arrive)
    crew.begin()
    drained = crew.join().seconds
    details = {"put_rate": items / put, "drain_rate": items / drained}
    return Outcome(items / (put + drained), count_marks(), details)
