"""How long this process has taken, as far as its broker has not heard of it yet."""

from __future__ import annotations

import time
from collections import Counter
from heapq import nlargest
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from persistq.site.memory import resident
from persistq.timings import SHORTEST_S, SlowItem, counted
from persistq.wire.messages import Timed

if TYPE_CHECKING:
    from persistq.client.report import Finished

TELL_S: Final = 1.0
"""How often a broker is told, at most: reports of very short items come much more often."""

SLOW_TOLD_MAX: Final = 100


class Timing:
    """Collects durations between two times that they are told.

    Args:
        slow_after: From how many seconds on an item is told of by itself.

    Attributes:
        due_at: When it is to be told next, on the monotonic clock.
    """

    def __init__(self, slow_after: float) -> None:
        self.due_at = 0.0
        self._slow_after = slow_after
        self._counts: Counter[int] = Counter()
        self._worked = self._waited = 0.0
        self._slow: list[SlowItem] = []

    def note(self, finished: Finished) -> None:
        """Note how long items took that are about to be reported."""
        item_ids, busy, seconds, _ = finished
        self._worked += busy
        # Very short items come by the thousand, and nearly all reports of them end here.
        if (longest := max(seconds)) < SHORTEST_S:
            self._counts[0] += len(seconds)
            return
        self._counts.update(counted(seconds))
        if longest >= self._slow_after:
            pairs = map(SlowItem, item_ids, seconds)
            self._slow += [one for one in pairs if one.seconds >= self._slow_after]

    def note_wait(self, seconds: float) -> None:
        """Note how long there was nothing to do."""
        self._waited += seconds

    def take(self) -> Timed | None:
        """Take out what is to be told; None if nothing was done."""
        if not self._counts:
            return None
        self.due_at = time.monotonic() + TELL_S
        slowest = nlargest(SLOW_TOLD_MAX, self._slow, key=itemgetter(1))
        told = Timed(dict(self._counts), self._worked, self._waited, resident(), slowest)
        self._counts.clear()
        self._worked = self._waited = 0.0
        self._slow.clear()
        return told
