"""How many more items producers may put: a source waits while its queue is full."""

from __future__ import annotations

from functools import partial

from persistq import failpoints
from persistq.broker.link import Link
from persistq.broker.session import Session
from persistq.wire.messages import Journaled, Role


class Crediting:
    """Tells producers how much they have put, and up to where they may go on.

    Limits count from the beginning of a connection and never fall, so a producer that has not come
    to its limit asks nobody.

    Args:
        session: The load being served.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._short: list[Link] = []

    def journaled(self, link: Link) -> Journaled:
        """Return what a producer is told when its puts are committed.

        Crash: nobody is told before; a producer that waits finds its broker gone.
        """
        items, size = self.left(link) if link.role is Role.PRODUCER else (-1, -1)
        if items == 0 and link not in self._short:
            self._short.append(link)
        if items < 0:
            return Journaled(link.puts)
        return Journaled(link.puts, link.puts + items, link.put_bytes + size)

    def left(self, link: Link) -> tuple[int, int]:
        """Return how many more items and bytes a producer may put; -1 if as many as it likes."""
        capacity = None if link.hello is None else self._session.capacity(link.hello.queue_id)
        if capacity is None:
            return -1, -1
        items, size = capacity.room, max(0, capacity.bytes_left)
        sharing = max(1, sum(map(partial(_beside, link), self._session.of_role(Role.PRODUCER))))
        return (items // sharing or 1, size // sharing) if items else (0, 0)

    def grant(self) -> None:
        """Have those go on that have waited for room, and for which there is some."""
        waiting, self._short = self._short, []
        for link in waiting:
            if not self.left(link)[0]:
                self._short.append(link)
            else:
                failpoints.point("broker.before_grant")
                link.send(self.journaled(link))

    def lose(self, link: Link) -> None:
        """A connection is gone."""
        self._short = [other for other in self._short if other is not link]


def _beside(link: Link, other: Link) -> bool:
    """Return whether two producers put on the same queue."""
    return (
        other.hello is not None
        and link.hello is not None
        and (other.hello.queue_id == link.hello.queue_id)
    )
