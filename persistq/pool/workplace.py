"""Who is at work in a run, and on what: what a display looks at between two messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from persistq.errors import JournalError
from persistq.itemnames import item_name
from persistq.items import QUEUE_SHIFT
from persistq.pool.attendance import Attendance, attendance_at
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from persistq.pool.crew import Place
    from persistq.site.base import Site
    from persistq.site.fence import InHand, Lookout


class AtWork(NamedTuple):
    """An attempt that is going on.

    Attributes:
        what: Its item, such as ``clean:6``, or ``a batch of clean``.
        pid: The worker.
        since: When it has begun, on the monotonic clock, in seconds.
    """

    what: str
    pid: int
    since: float


class Workplace:
    """The workers of a run, as they can be seen from outside.

    What they have in hand is read from the fence, which is opened at the first look: a run that
    shows nothing does not open it.

    Args:
        site: Where the journal of the run lives.
        places: The places of the run.
    """

    def __init__(self, site: Site, places: Sequence[Place]) -> None:
        self._site = site
        self._places = places
        self._lookout: Lookout | None = None
        self._blind = False

    def attendance(self) -> Attendance:
        """Return how many workers are there."""
        return attendance_at(self._places)

    def at_work(self) -> list[AtWork]:
        """Return the attempts that are going on, in no order; none if that cannot be seen."""
        stages = self._stages()
        return [self._named(it, stages[it.pid]) for it in self._in_hand() if it.pid in stages]

    def close(self) -> None:
        """Look no more."""
        self._blind = True
        if self._lookout is not None:
            self._lookout.close()
            self._lookout = None

    # --- inside ---

    def _stages(self) -> dict[int, Place]:
        """Return the places of the workers that live, by process."""
        return {
            place.process.pid: place
            for place in self._places
            if place.process is not None and place.process.pid is not None and not place.source
        }

    def _in_hand(self) -> list[InHand]:
        if self._blind:
            return []
        try:
            if self._lookout is None:
                self._lookout = self._site.lookout()
            return self._lookout.items_in_hand()
        except (JournalError, OSError):
            # The work does not depend on what can be seen of it.
            self.close()
            return []

    def _named(self, it: InHand, place: Place) -> AtWork:
        if it.item_id >> QUEUE_SHIFT == place.queue_id:
            return AtWork(item_name(place.stage, it.item_id), it.pid, it.since)
        # Attempts of several items are numbered by themselves.
        return AtWork(f"a batch of {printable(place.stage)}", it.pid, it.since)
