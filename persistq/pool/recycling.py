"""When a worker has done its share, so that a fresh one takes its place."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic as _now
from typing import Final

from persistq.site.memory import resident

LOOK_S: Final = 0.01
"""How often a worker looks at its memory, at most."""

MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one worker process does before another one takes its place.

    Attributes:
        items: So many items; None for any number.
        rss_mb: Until it takes so much memory, in megabytes; None for any amount.
    """

    items: int | None = None
    rss_mb: int | None = None

    def __bool__(self) -> bool:
        return self.items is not None or self.rss_mb is not None


class Share:
    """What one worker may still do.

    Args:
        limits: Its limits.
    """

    def __init__(self, limits: Limits) -> None:
        self._left = limits.items
        self._bytes_max = None if limits.rss_mb is None else limits.rss_mb * MEGABYTE
        self._look_at = 0.0

    def is_done(self, items: int) -> bool:
        """Count items that were worked on; return whether it was enough.

        Called between items, so nothing is in hand.
        """
        if self._left is not None:
            self._left -= items
            if self._left <= 0:
                return True
        if self._bytes_max is None or (now := _now()) < self._look_at:
            return False
        self._look_at = now + LOOK_S
        return resident() >= self._bytes_max
