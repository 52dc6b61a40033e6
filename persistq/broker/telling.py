"""When puts are told of to who follows events: a moment later, so that many share an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from persistq import failpoints

if TYPE_CHECKING:
    from persistq.broker.session import Session

PAUSE_S: Final = 0.05
"""How long puts wait to be told of. An event costs a page of the log, as much as a small commit."""


class Telling:
    """Has the events recorded of what was put, 20 times a second at most.

    Args:
        session: The load being served.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._record = session.transitions.record
        self._next = 0.0

    @property
    def due(self) -> float | None:
        """When it is due, on the monotonic clock; None if there is nothing to tell."""
        return self._next if self._record.untold else None

    def tell_if_due(self) -> None:
        """Tell of what is committed, if it is time.

        Crash: who opens the journal next tells of it.
        """
        now = self._session.clock()
        if self._record.untold and now >= self._next:
            failpoints.point("broker.before_telling")
            self._session.journal.tell()
            self._record.untold = False
            self._next = now + PAUSE_S
