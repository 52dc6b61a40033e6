"""Sources that are asked again and again: when each is asked, for how much, and when it is over."""

from __future__ import annotations

from dataclasses import dataclass

from persistq import failpoints
from persistq.broker.capacity import Capacity
from persistq.broker.link import Link
from persistq.broker.session import Session
from persistq.wire import messages
from persistq.wire.messages import Role

STOP = -1
"""Is told to a source instead of a number of items: the run is being ended."""


@dataclass(slots=True)
class _Waiting:
    """A source that has asked how much it is to yield."""

    link: Link
    poll: messages.Poll
    new: int
    ready_at: float


class Polling:
    """Answers sources when their queue runs low, and ends them when the run is told to end.

    A source waits here for three things: that its pause is over, or somebody wakes it; and then for
    room. So it neither sleeps through what it is woken for, nor asks where nothing fits.

    Args:
        session: The load being served.

    Attributes:
        draining: Whether sources are to end, and what they have put is to be worked off.
    """

    def __init__(self, session: Session) -> None:
        self.draining = False
        self._session = session
        self._waiting: list[_Waiting] = []
        self._woken: set[int] = set()
        self._told: dict[int, int] = {}

    # --- messages ---

    def on_poll(self, link: Link, poll: messages.Poll) -> None:
        """Line up for room."""
        put = self._session.transitions.sources.put[link.source_id]
        new = put - self._told.get(link.source_id, 0)
        self._told[link.source_id] = put
        pause = 0.0 if link.source_id in self._woken else poll.pause + (0.0 if new else poll.idle)
        self._woken.discard(link.source_id)
        self._waiting.append(_Waiting(link, poll, new, self._session.clock() + pause))

    def on_wake(self, link: Link, wake: messages.Wake) -> None:
        """Have all sources asked as soon as there is room; answer whether there are any."""
        polled = self._polled()
        waiting = {one.link.source_id for one in self._waiting}
        self._woken.update(source_id for source_id in polled if source_id not in waiting)
        for one in self._waiting:
            one.ready_at = 0.0
        link.send(messages.Answer(wake.seq, bool(polled)))

    def on_drain(self, link: Link, drain: messages.Drain) -> None:
        """End the sources, and the load when what they have put is worked off."""
        failpoints.point("broker.before_drain")
        self.draining = True
        link.send(messages.Answer(drain.seq, None))

    def lose(self, link: Link) -> None:
        """A connection is gone."""
        self._waiting = [one for one in self._waiting if one.link is not link]

    # --- the turn ---

    @property
    def look_at(self) -> float | None:
        """When the next pause is over."""
        now = self._session.clock()
        times = [one.ready_at for one in self._waiting if one.ready_at > now]
        return min(times, default=None)

    def answer(self) -> None:
        """Tell those how much to yield that have waited long enough and have room."""
        waiting, self._waiting = self._waiting, []
        now = self._session.clock()
        for one in waiting:
            wanted = STOP if self.draining else self._wanted(one, now)
            if wanted or one.poll.at_once:
                failpoints.point("broker.before_poll_answer")
                one.link.send(messages.Answer(one.poll.seq, [wanted, one.new]))
            else:
                self._waiting.append(one)

    def drained(self) -> list[int]:
        """Return the sources that are over: the run is being ended, and all is worked off.

        Crash: before their end is recorded, the load is unfinished and has nothing outstanding.
        """
        session = self._session
        if not self.draining or any(row.outstanding for row in session.rows):
            return []
        polled = self._polled()
        putting = {link.source_id for link in session.of_role(Role.PRODUCER)}
        return [] if putting.intersection(polled) else polled

    # --- inside ---

    def _polled(self) -> list[int]:
        session = self._session
        rows = session.transitions.sources.rows.values()
        return [row.source_id for row in rows if not row.ended and session.polls(row.source_id)]

    def _wanted(self, one: _Waiting, now: float) -> int:
        """Return how many items a source is to yield; 0 if it has to wait.

        While items wait it is asked for many at a time; when none does, for any number.
        """
        hello = one.link.hello
        if hello is None or (now < one.ready_at and not one.poll.at_once):
            return 0
        lane, most = self._session.scheduler.lanes[hello.queue_id], one.poll.most
        room = min(most - lane.row.outstanding, _room(lane.capacity, most))
        low = 2 * room >= most or lane.queued <= lane.retries.waiting
        return max(0, room) if low else 0


def _room(capacity: Capacity | None, most: int) -> int:
    return most if capacity is None else capacity.room
