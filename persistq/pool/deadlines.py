"""Deadlines of attempts, enforced from outside: a handler that hangs in C code can still be ended.

Workers note in the fence which attempt they are at, since when, and until when they have asked for
time; the supervisor reads that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from persistq.site.base import Site

LOOK_MAX_S = 1.0


@dataclass(frozen=True, slots=True)
class Overrun:
    """An attempt that takes too long.

    Attributes:
        pid: The worker.
        attempt: Its item, or the number of its batch.
        limit: What it was allowed, in seconds.
    """

    pid: int
    attempt: int
    limit: float


class Limits(Protocol):
    """How long attempts may take, in seconds."""

    def limits(self) -> list[float]:
        """Return all limits there are."""

    def limit_of(self, pid: int) -> float | None:
        """Return that of a worker, None if there is none."""


class Deadlines:
    """Watches how long workers stay with one attempt.

    Args:
        site: Where the journal of the run lives.
        limits: What is allowed.
    """

    def __init__(self, site: Site, limits: Limits) -> None:
        self._limits = limits
        self._shortest = min(limits.limits(), default=None)
        self._lookout = None if self._shortest is None else site.lookout()

    def close(self) -> None:
        """Watch no more."""
        if self._lookout is not None:
            self._lookout.close()

    def check(self, now: float) -> tuple[list[Overrun], float | None]:
        """Return the attempts over their limit, and when to check again; None if never.

        Args:
            now: Monotonic time in seconds.
        """
        if self._lookout is None or self._shortest is None:
            return [], None
        overruns, next_check = [], now + min(self._shortest, LOOK_MAX_S)
        for noted in self._lookout.items_in_hand():
            limit = self._limits.limit_of(noted.pid)
            if limit is None or not noted.since:
                continue
            if now >= (due := noted.due(limit)):
                overruns.append(Overrun(noted.pid, noted.item_id, noted.allowed(limit)))
            else:
                next_check = min(next_check, due)
        return overruns, next_check
