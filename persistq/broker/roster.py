"""The families of clients: programs that opened the load, each with its child processes.

A family ends when the process that opened the load ends. If that was a death, and not a farewell,
its children get no more work, and what it had put may be put again by the program's next start.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from persistq.broker.span import Span
from persistq.items import item_id_of
from persistq.journal.queuerow import QueueRow
from persistq.peer import Peer
from persistq.site.processes import has_ended


@dataclass(slots=True)
class _Family:
    peer: Peer
    seen: Peer | None
    absorbs: bool
    gone: bool = False
    died: bool = False
    wrote: dict[int, list[Span]] = field(default_factory=dict)


class Roster:
    """Who belongs to whom, and who wrote what in this run."""

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}

    def add(self, family: str, peer: Peer, *, absorbs: bool, seen: Peer | None = None) -> None:
        """A program opens the load.

        Args:
            family: A name that its child processes will carry as well.
            peer: The program, as it calls itself.
            absorbs: Whether some earlier puts may be its own. It is settled now: what a program
                puts that was here all along is new, even if it equals what another one left behind.
            seen: The program as it is known here; None if it cannot be seen from here.
        """
        self._families[family] = _Family(peer, seen, absorbs)

    def first(self) -> tuple[Peer, bool] | None:
        """Return the process that opened the load first, and whether it is gone."""
        member = next(iter(self._families.values()), None)
        return None if member is None else (member.peer, member.gone)

    def opened_by(self, peer: Peer) -> bool:
        """Return whether a process is a program that has opened the load."""
        return any(member.peer == peer for member in self._families.values())

    def absorbs(self, family: str) -> bool:
        """Return whether a family may repeat earlier puts."""
        member = self._families.get(family)
        return member is not None and member.absorbs

    def repeats(self, family: str) -> None:
        """A part of a family starts again from its beginning."""
        if family in self._families:
            self._families[family].absorbs = True

    def dying(self, family: str) -> bool:
        """Return whether a family's program has died, though its connection may seem open.

        The kernel kills the children when its main thread has ended; while another thread still
        ends, its files are open.
        """
        member = self._families.get(family)
        if member is None:
            return False
        if member.gone or member.seen is None:
            return member.died
        return has_ended(member.seen) is True

    def hidden(self, family: str) -> bool:
        """Return whether only its connection tells when a family's program dies."""
        member = self._families.get(family)
        return member is not None and not member.gone and member.seen is None

    def dead(self, family: str) -> int | None:
        """Return the process id of a family's dead program, or None if it lives or took leave."""
        member = self._families.get(family)
        return member.peer.pid if member is not None and member.died else None

    def wrote(self, family: str, row: QueueRow, count: int) -> None:
        """A family's items were just given the last ``count`` ids of a queue."""
        member = self._families.get(family)
        if member is None:
            return
        span = Span(item_id_of(row.queue_id, row.put - count), item_id_of(row.queue_id, row.put))
        spans = member.wrote.setdefault(row.queue_id, [])
        if spans and spans[-1].last == span.after:
            spans[-1].last = span.last
        else:
            spans.append(span)

    def take_leave(self, family: str) -> None:
        """A family's program has left on purpose; its children go on."""
        self._families[family].gone = True

    def lose(self, family: str) -> list[tuple[int, Span]]:
        """A family's program has died; return what the family put in this run."""
        member = self._families[family]
        member.gone = member.died = True
        return [(queue_id, span) for queue_id, spans in member.wrote.items() for span in spans]
