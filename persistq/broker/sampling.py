"""When it is recorded where a run stands."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from persistq.site.memory import resident, resident_of
from persistq.site.processes import this_host
from persistq.wire.messages import Role

if TYPE_CHECKING:
    from persistq.broker.link import Link
    from persistq.broker.session import Session


class Sampling:
    """Takes a sample every second while something happens, less often in long runs.

    Args:
        session: The load being served.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._timing = session.transitions.timing
        self._host = this_host()

    @property
    def due(self) -> float | None:
        """When the next one is due, on the monotonic clock; None if nobody works."""
        return self._timing.sample_at if self._is_at_work() else None

    def sample_if_due(self) -> None:
        """Take one if it is time, or if the load comes to its end with this turn.

        Crash: it is recorded with what the turn has brought, or not at all.
        """
        batch, now = self._session.transitions.record.batch, self._session.clock()
        is_due = now >= self._timing.sample_at and (batch or self._is_at_work())
        if is_due or batch.settled_load is not None:
            self._timing.sample(now, resident(), self._memory())

    def _is_at_work(self) -> bool:
        return any(lane.in_flight for lane in self._session.scheduler.lanes.values())

    def _memory(self) -> Counter[int]:
        """Return how much memory the workers of each stage take, by queue."""
        taken: Counter[int] = Counter()
        links = {link.owner: link for link in self._session.of_role(Role.CONSUMER)}
        for link in links.values():
            if link.hello is not None:
                taken[link.hello.queue_id] += self._memory_of(link)
        return taken

    def _memory_of(self, link: Link) -> int:
        is_here = link.hello is not None and link.hello.peer.host == self._host
        return (resident_of(link.pid) if is_here else None) or link.rss
