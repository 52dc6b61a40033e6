"""How long the items of a queue take."""

from __future__ import annotations

PACE_HALF_LIFE = 64
"""After this many items the older half of what is known about their duration has faded."""


class Pace:
    """How long an item takes, learnt from what consumers report; recent items weigh more."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._items = 0.0

    def learn(self, items: int, seconds: float) -> None:
        """Add a report: so many items took so many seconds together."""
        kept = 0.5 ** (items / PACE_HALF_LIFE)
        self._seconds = self._seconds * kept + seconds
        self._items = self._items * kept + items

    def items_in(self, seconds: float) -> int:
        """Return how many items fit in this time; 1 while nothing is known."""
        if self._items < 1:
            return 1
        return int(seconds / max(self._seconds / self._items, 1e-9)) or 1
