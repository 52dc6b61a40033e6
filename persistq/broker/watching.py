"""What a supervisor is shown while the load runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from persistq.broker.lane import Lane
from persistq.broker.link import Link
from persistq.items import Failure
from persistq.wire.messages import Ended, FailureNews, Progress, QueueSizes

NEWS_MAX = 1000
"""So many failures are kept for who does not read; of more than these, the last."""

HELD_MAX = 200
NEW_LINE = "\n"


def sizes_of(lane: Lane) -> QueueSizes:
    """Return a lane's counters as they are sent."""
    row = lane.row
    return QueueSizes(
        row.queue_id,
        row.name,
        row.put,
        row.done,
        row.dropped,
        row.parked,
        lane.queued,
        lane.in_flight,
        row.sealed_total is not None,
        lane.resumed,
        lane.blamed,
        lane.retries.waiting if lane.gathering is None else lane.gathering.delayed,
        held_in_words(lane),
        row.duplicates,
        row.skipped,
        lane.results,
        row.worked,
    )


def held_in_words(lane: Lane) -> str:
    """Return why a stage, or what feeds its queue, waits; empty if neither does."""
    if lane.rest.reason:
        return f"rests: {lane.rest.reason.partition(NEW_LINE)[0][:HELD_MAX]}"
    if lane.gathering is not None and lane.gathering.incomplete and not lane.in_flight:
        return "waits for groups to be complete"
    if lane.capacity is None or lane.row.sealed_total is not None:
        return ""
    lacking = lane.capacity.lacks
    what = "what feeds it waits" if lane.capacity.feeders else "its source waits"
    return f"{what}: {lacking}" if lacking else ""


class Watcher:
    """Sends `Progress` to one link, not more often than wanted, and `Ended` once.

    Args:
        link: Who watches.
        interval: Least time between two reports, in seconds.
        now: The present time.

    Attributes:
        due: When the next report may go out.
        stale: Whether something has changed since the last one.
    """

    def __init__(self, link: Link, interval: float, now: float) -> None:
        self.link = link
        self.due = now
        self.stale = True
        self._interval = interval
        self._failures: deque[FailureNews] = deque(maxlen=NEWS_MAX)
        self._notices: deque[tuple[str, str]] = deque(maxlen=NEWS_MAX)
        self._last: list[QueueSizes] = []
        self._over = False

    @property
    def impatient(self) -> bool:
        """Whether a report is to go out when it is due; not while the last one is unread."""
        return self.stale and not self.link.behind

    def noted(self, stage: str, failure: Failure, attempt: int, *, parked: bool) -> None:
        """A failed attempt is worth showing."""
        verb = "parked" if parked else "will be retried"
        text = f"{failure.type}: {failure.message} ({verb})"
        news = FailureNews(stage, failure.item_id, text, attempt, failure.pid, parked)
        self._failures.append(news)

    def told(self, stage: str, text: str) -> None:
        """Something of a whole stage is worth showing."""
        self._notices.append((stage, text))

    def report(self, sizes: Callable[[], list[QueueSizes]], over: Ended | None, now: float) -> None:
        """Send what has changed, if it is time; always send the end."""
        if self._over or self.link.behind:
            return
        self.stale = True
        if over is None and now < self.due:
            return
        self.due, self.stale = now + self._interval, False
        self._send_changes(sizes())
        if over is not None:
            self._over = True
            self.link.send(over)

    def _send_changes(self, sizes: list[QueueSizes]) -> None:
        if sizes == self._last and not self._failures and not self._notices:
            return
        self.link.send(Progress(sizes, list(self._failures), list(self._notices)))
        self._last = sizes
        self._failures.clear()
        self._notices.clear()
