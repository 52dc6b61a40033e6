"""Old loads give up their rows beside the work, and for a moment at the end of a run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from persistq.errors import JournalUnavailable
from persistq.journal.base import Journal
from persistq.journal.keeping import Keep, beyond
from persistq.journal.load import EndedLoad
from persistq.journal.siblings import Siblings
from persistq.site.base import Site

PAUSE_S: Final = 0.01
"""Between two steps, which take a few milliseconds: clients wait for one at most."""

LAST_S: Final = 1.0
"""How long it may take at the end of a run: those of every night are too short for all of it."""


class Tidying:
    """Purges the loads that a journal need not keep, one small step at a time.

    It is a service: where there is no room even for that, the run goes on without it.

    Args:
        journal: The journal, with its run begun.
        keep: How much is kept.
        clock: Monotonic time in seconds.
        siblings: The other journals that count together with this one; at the end of a run they
            are looked after as well.

    Attributes:
        due: When the next step is due; None if there is nothing to do.
    """

    def __init__(
        self,
        journal: Journal,
        keep: Keep,
        clock: Callable[[], float],
        siblings: Siblings | None = None,
    ) -> None:
        self.due: float | None = clock()
        self._journal = journal
        self._keep = keep
        self._clock = clock
        self._siblings = siblings
        # Whatever has a lower number is of an attempt whose broker is dead.
        self._spools_before = journal.next_spool_id()
        self._marked = False

    def step_if_due(self) -> None:
        """Do a step, if one is due.

        Crash: what was marked or deleted stays so; the next run goes on.
        """
        if self.due is None or self._clock() < self.due:
            return
        try:
            more = self._step()
        except JournalUnavailable:
            more = False
        self.due = self._clock() + PAUSE_S if more else None

    def finish(self, wanted: Callable[[], bool]) -> None:
        """Do as much as there is time for at the end of a run, whose load may have ended as well.

        Args:
            wanted: Returns whether somebody waits for this broker's end.
        """
        until = self._clock() + LAST_S

        def over() -> bool:
            return self._clock() >= until or wanted()

        with suppress(JournalUnavailable):
            elsewhere = self._mark(self._siblings)
            while not over() and self._journal.tidy(self._spools_before):
                pass
            if self._siblings is not None:
                deque(self._siblings.give_up(elsewhere, over), maxlen=0)

    def _step(self) -> bool:
        if not self._marked:
            self._mark(None)
            self._marked = True
        return self._journal.tidy(self._spools_before)

    def _mark(self, siblings: Siblings | None) -> dict[Site, list[int]]:
        """Purge what is too much in this journal; return what is too much elsewhere."""
        loads: list[tuple[Site | None, EndedLoad]] = [
            (None, load) for load in self._journal.ended_loads()
        ]
        if siblings is not None:
            loads += siblings.ended_loads()
        elsewhere: dict[Site, list[int]] = {}
        for site, load in beyond(self._keep, loads):
            if site is None:
                self._journal.purge_load(load.load_id)
            else:
                elsewhere.setdefault(site, []).append(load.load_id)
        return elsewhere
