"""A load whose source has raised: what it had put before is worked off, then it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistq import failpoints

if TYPE_CHECKING:
    from persistq.broker.scheduler import Scheduler
    from persistq.wire.messages import Fail


class Failing:
    """Puts a failure off, as long as that helps what is outstanding.

    Crash: nothing is recorded before the load has failed, so the next start calls the source again.

    Args:
        scheduler: Who gives up in the end.

    Attributes:
        until: When it fails whatever is left, on the broker's clock; None while nothing has failed.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self.until: float | None = None
        self._scheduler = scheduler
        self._reason = ""

    def begin(self, fail: Fail, now: float) -> None:
        """Fail at once, or when what is outstanding is worked off; the first reason counts."""
        if not fail.patience:
            self._scheduler.give_up(fail.reason)
        elif self.until is None:
            failpoints.point("broker.before_failing")
            self.until, self._reason = now + fail.patience, fail.reason

    def look(self, now: float) -> None:
        """Fail if it is time."""
        if self.until is None or self._scheduler.over:
            return
        lanes = self._scheduler.lanes.values()
        if now >= self.until or not any(lane.gets_on_by(self.until) for lane in lanes):
            self._scheduler.give_up(self._reason)
