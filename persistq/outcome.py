"""How runs and loads end, in one vocabulary."""

from __future__ import annotations

import enum


class Outcome(enum.StrEnum):
    """How it ended; each member equals its name as a text."""

    DONE = "DONE"
    """All work is settled."""
    FAILED = "FAILED"
    """Something gave up; the work stays in the journal."""
    INTERRUPTED = "INTERRUPTED"
    """A signal ended the run; the work stays in the journal."""
    LOST = "LOST"
    """The broker died, or lost its journal; what it had recorded is there."""

    @property
    def result(self) -> str | None:
        """As the journal keeps it, a `persistq.journal.run.RunResult`; None if nobody could."""
        return None if self is Outcome.LOST else self.lower()
