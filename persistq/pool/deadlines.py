"""Deadlines of items, enforced from outside: a handler that hangs in C code can still be ended.

Workers note in the fence which item they run and since when; the supervisor reads that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from persistq.items import queue_of
from persistq.site.base import Site

LOOK_MAX_S = 1.0


@dataclass(frozen=True, slots=True)
class Overrun:
    """An item that takes too long.

    Attributes:
        pid: The worker.
        item_id: The item.
        limit: What it was allowed, in seconds.
    """

    pid: int
    item_id: int
    limit: float


class Deadlines:
    """Watches how long workers stay with one item.

    Args:
        site: Where the journal of the run lives.
        limits: Seconds allowed for one item, by queue; queues that are not in it have no limit.
    """

    def __init__(self, site: Site, limits: Mapping[int, float]) -> None:
        self._limits = dict(limits)
        self._lookout = site.lookout() if limits else None

    def close(self) -> None:
        """Watch no more."""
        if self._lookout is not None:
            self._lookout.close()

    def check(self, now: float) -> tuple[list[Overrun], float | None]:
        """Return the items over their limit, and when to check again; None if there are no limits.

        Args:
            now: Monotonic time in seconds.
        """
        if self._lookout is None:
            return [], None
        overruns, next_check = [], now + min(*self._limits.values(), LOOK_MAX_S)
        for pid, item_id, since in self._lookout.items_in_hand():
            limit = self._limits.get(queue_of(item_id))
            if limit is None or not since:
                continue
            if now >= since + limit:
                overruns.append(Overrun(pid, item_id, limit))
            else:
                next_check = min(next_check, since + limit)
        return overruns, next_check
