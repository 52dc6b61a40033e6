"""A rest of a stage that cannot be worked at now: how long it lasts, and when it is over."""

from __future__ import annotations

from typing import Final

REST_S: Final = 0.5
REST_MAX_S: Final = 60.0
"""The first rest, in seconds, and the longest: each one doubles while nothing is done between."""


class Rest:
    """Nothing of a stage is handed out while it rests.

    Its workers have said that it is nobody's fault but, for example, of a database that is away.
    """

    def __init__(self) -> None:
        self._times = 0
        self._until: float | None = None

    @property
    def until(self) -> float | None:
        """When it is over; None while there is none."""
        return self._until

    def begin(self, now: float) -> float | None:
        """Rest, and return for how many seconds; None if it does so already."""
        if self._until is not None:
            return None
        seconds = min(REST_MAX_S, REST_S * 2.0 ** min(self._times, 60))
        self._times += 1
        self._until = now + seconds
        return seconds

    def wake(self, now: float) -> None:
        """Notice that it is over by now."""
        if self._until is not None and now >= self._until:
            self._until = None

    def end(self) -> None:
        """Something was done, so that there is no reason any more."""
        self._times, self._until = 0, None
