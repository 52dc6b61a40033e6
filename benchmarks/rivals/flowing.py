"""How rows are measured on their way: one process puts them while others take them.

From the first put to the last row, whoever has it; what readers spend on finding out that nothing
is left is not counted.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

from contest import Outcome
from crew import Crew
from places import count_marks, make_marks

Row = dict[str, Any]


def flow(
    items: int,
    readers: int,
    open_producer: Callable[[], Any],
    put: Callable[[Any, int], None],
    arrive: Callable[[], Any],
    take: Callable[[Any], float],
) -> Outcome:
    """Measure a queue of rows.

    Args:
        items: Number of rows.
        readers: Number of processes that take them.
        open_producer: Opens what rows are put into, before the clock starts.
        put: Puts so many into it, and leaves nothing back.
        arrive: Opens what a reader needs, before the clock starts.
        take: Takes rows from that until it is over; returns when it had finished its last one, on
            the monotonic clock.
    """
    make_marks(items)
    crew = Crew(readers, take, arrive=arrive)
    producer = open_producer()
    crew.begin()
    began = time.monotonic()
    put(producer, items)
    filled = time.monotonic()
    took = crew.join().ended - began
    details = {"put_rate": items / (filled - began), "processor_us": _processor_s() / items * 1e6}
    return Outcome(items / took, count_marks(), details)


def row(number: int) -> Row:
    """Return a row of a table of flights."""
    return {
        "n": number,
        "day": f"2026-03-{number % 28 + 1:02}",
        "carrier": "UA",
        "distance": number % 4_000,
        "delay": number % 90 + 0.5,
    }


def _processor_s() -> float:
    """Return the seconds of processor time that this process and its children have had."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(sum(resource.getrusage(one)[:2]) for one in whose)
