"""Deadlines of items of a plain queue, enforced from outside: whatever hangs can still be ended.

The processes of a pipeline have a supervisor, which does that (`persistq.pool.deadlines`). Those of
a plain queue are the program's own, and it may hang itself, so their broker does.
"""

from __future__ import annotations

import math
import signal
import socket
from dataclasses import dataclass
from typing import Final

from persistq import failpoints
from persistq.broker.consuming import Consuming
from persistq.broker.link import Link
from persistq.broker.session import Session
from persistq.errors import UsageError
from persistq.peer import Peer
from persistq.site.credentials import peer_of
from persistq.site.recipient import Recipient
from persistq.wire.messages import Overdue, Role

LOOK_MAX_S: Final = 1.0
KILL_PATIENCE_S: Final = 2.0
"""How long a process that was sent SIGTERM may take to clean up, before SIGKILL."""


@dataclass(slots=True)
class _Ending:
    """A process that is being ended.

    Attributes:
        recipient: The process.
        kill_at: When it is sent SIGKILL, on the session's clock.
    """

    recipient: Recipient
    kill_at: float


class Deadlines:
    """Ends consumers of a plain queue that have an item in hand for longer than its ``timeout``.

    A consumer notes in its slot of the fence which item it has had for the longest time, since
    when, and until when it has asked for time. What is noted there it may have written at any time,
    and in any way; so it is compared with what the scheduler knows, and concerns nobody but itself.

    Args:
        session: The load being served.
        consuming: Is told why a consumer is about to end.
    """

    def __init__(self, session: Session, consuming: Consuming) -> None:
        self._session = session
        self._consuming = consuming
        self._limit = _limit_of(session)
        self._look_at = -math.inf
        self._ending: dict[Peer, _Ending] = {}

    def refusal(self, sock: socket.socket, peer: Peer) -> UsageError | None:
        """Return why a process cannot be a consumer; None if it can.

        Args:
            sock: Its connection.
            peer: What it calls itself.
        """
        if self._limit is None:
            return None
        what = f"queue {self._session.opening.name!r} has timeout={self._limit:g}"
        if self._session.roster.opened_by(peer):
            return UsageError(
                f"{what}, and who keeps an item for longer is killed, so the process that has "
                "opened it gets none: get items in child processes that it hands the queue to"
            )
        if not peer.started or peer_of(sock) != peer:
            return UsageError(
                f"{what}, and its broker does not see {peer}, which it would have to kill: get "
                "items in processes on the same host"
            )
        return None

    @property
    def due(self) -> float | None:
        """When to look again, on the session's clock; None while nobody has anything in hand."""
        times = [ending.kill_at for ending in self._ending.values()]
        if self._limit is not None and self._in_flight():
            times.append(self._look_at)
        return min(times, default=None)

    def enforce(self, now: float) -> None:
        """End whoever keeps an item for too long: SIGTERM, a little later SIGKILL.

        Crash: a process that was sent a signal ends; if its end is not recorded, its item was
        tried for nothing.

        Args:
            now: The present time on the session's clock, which is that of the fence.
        """
        for ending in self._ending.values():
            if now >= ending.kill_at:
                ending.recipient.signal(signal.SIGKILL)
                ending.kill_at = math.inf
        if self._limit is not None and now >= self._look_at and self._in_flight():
            consumers = self._session.of_role(Role.CONSUMER)
            looks = [self._look_at_one(link, now, self._limit) for link in consumers]
            self._look_at = min(looks, default=now + LOOK_MAX_S)

    def lose(self, link: Link) -> None:
        """A connection is gone; a process that is being ended may have others."""
        peer = link.peer
        if peer is not None and peer in self._ending and not self._session.consumers_in(peer):
            self._ending.pop(peer).recipient.close()

    # --- inside ---

    def _in_flight(self) -> bool:
        return any(lane.in_flight for lane in self._session.scheduler.lanes.values())

    def _look_at_one(self, link: Link, now: float, limit: float) -> float:
        """End one consumer if it is late; return when to look at it again."""
        again, peer = now + min(limit, LOOK_MAX_S), link.peer
        noted = self._session.fence.noted_in(link.slot)
        item_id, since = noted.item_id, noted.since
        # One that has noted the time wrongly, or another's item, would have it for ever.
        held = 0.0 < since <= now and self._session.scheduler.attempt(link.number, item_id)
        if not held or peer is None or peer in self._ending:
            return again
        if now < (due := noted.due(limit)):
            return min(again, due)
        self._end(peer, item_id, now, noted.allowed(limit))
        return again

    def _end(self, peer: Peer, item_id: int, now: float, limit: float) -> None:
        """End a process because of an item that it has had in hand for more than its limit."""
        try:
            recipient = Recipient(peer)
        except ProcessLookupError:
            # It has ended by itself, which its connection will tell.
            return
        failpoints.point("broker.before_overdue")
        if not recipient.signal(signal.SIGTERM):
            recipient.close()
            return
        self._ending[peer] = _Ending(recipient, now + KILL_PATIENCE_S)
        links = self._session.consumers_in(peer)
        self._consuming.note_overdue(links, Overdue(peer.pid, item_id, limit))
        failpoints.point("broker.after_overdue")


def _limit_of(session: Session) -> float | None:
    """Return how long an item of a plain queue may be in hand, in seconds; None for ever."""
    if session.opening.kind != "queue":
        return None
    (stage,) = session.opening.stages
    return stage.timeout
