"""Items that keep a processor busy for a given time."""

from __future__ import annotations

import time

from contest import Outcome
from places import Delivery, Stamps


def spin(seconds: float) -> tuple[float, float]:
    """Be busy, and return from when to when, on the clock that all processes share."""
    began = time.monotonic()
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass
    return began, time.monotonic()


def wall(stamps: Stamps) -> Outcome:
    """Return the seconds from the first item's start to the last one's end."""
    moments = stamps.read()
    began = [first for first, _ in moments if first]
    ended = [second for _, second in moments if second]
    delivery = Delivery(len(moments), len(ended), len(ended))
    return Outcome(max(ended) - min(began), delivery)
