"""The attempt that takes longest: the first thing to look at if a load stands still."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from persistq.pool.workplace import AtWork


class Longest(NamedTuple):
    """An attempt that is going on.

    Attributes:
        what: Its item, such as ``clean:6``, or ``a batch of clean``.
        seconds: For how long.
        pid: The worker.
    """

    what: str
    seconds: float
    pid: int


def longest_at_work(at_work: Iterable[AtWork], now: float) -> Longest | None:
    """Return the attempt that has begun first; None if there is none.

    Args:
        at_work: Those that are going on. One whose beginning cannot be true is left out: the file
            in which they are noted is written by all workers.
        now: Monotonic time in seconds.
    """
    known = [it for it in at_work if math.isfinite(it.since) and 0 < it.since <= now]
    first = min(known, key=lambda it: it.since, default=None)
    return None if first is None else Longest(first.what, round(now - first.since, 3), first.pid)
