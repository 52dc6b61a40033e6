"""How many items a stage finishes in a second: lately, and since the run began."""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW_S: Final = 10.0
"""What counts as lately."""

LEAST: Final = 5
"""So many items at least are behind what is said of lately; slow ones take longer than that."""


class Speed:
    """Measures one stage.

    Args:
        now: When the run begins, on the monotonic clock, in seconds.
    """

    def __init__(self, now: float) -> None:
        self._began = now
        self._marks = deque([(now, 0)])

    @property
    def finished(self) -> int:
        """Items that were finished in this run."""
        return self._marks[-1][1]

    def note(self, finished: int, now: float) -> None:
        """Note how many items have been finished in this run by now.

        Args:
            finished: Their number; it never falls.
            now: Monotonic time in seconds.
        """
        if finished > self.finished:
            self._marks.append((now, finished))
        while self._has_older_than_needed(now):
            self._marks.popleft()

    def _has_older_than_needed(self, now: float) -> bool:
        if len(self._marks) < 2:
            return False
        at, finished = self._marks[1]
        return at <= now - WINDOW_S and self.finished - finished >= LEAST

    def lately(self, now: float) -> float:
        """Return items a second in the last ten seconds, or as long as it takes to see some."""
        at, finished = self._marks[0]
        return (self.finished - finished) / max(now - at, 1e-3)

    def elapsed(self, now: float) -> float:
        """Return for how long it is measured, in seconds."""
        return now - self._began

    def mean(self, now: float) -> float:
        """Return items a second since the run began."""
        return self.finished / max(self.elapsed(now), 1e-3)
