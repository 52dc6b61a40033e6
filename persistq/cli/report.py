"""The report of one load: all that ``persistq status`` shows, read at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from persistq.cli.pointing import Names, names_in
from persistq.cli.standing import Standing, next_command, standing_of

if TYPE_CHECKING:
    from persistq.journal.reader import FailedAttempt, JournalReader
    from persistq.journal.run import Run
    from persistq.journal.view import JournalView
    from persistq.keys import ItemKeys

FAILURES_SHOWN: Final = 5
_FAILURES_READ: Final = 4 * FAILURES_SHOWN
"""An item may have failed several times, and is shown once."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that is shown about one load.

    Attributes:
        standing: The load, and whether a live run works on it.
        runs: Its runs, oldest first.
        failures: Its latest failures, newest first.
        names: What its items are called.
        keys: The keys of its items, by queue.
        next: What to type to bring it forward, if anything.
    """

    standing: Standing
    runs: list[Run]
    failures: list[FailedAttempt]
    names: Names
    keys: dict[int, ItemKeys]
    next: str | None

    @property
    def view(self) -> JournalView:
        """The load, its last run and its queues."""
        return self.standing.view

    @property
    def last_of_each(self) -> list[FailedAttempt]:
        """The last failures of the items that failed last, oldest first."""
        last: dict[int, FailedAttempt] = {}
        for attempt in self.failures:
            last.setdefault(attempt.failure.item_id, attempt)
        return [*last.values()][:FAILURES_SHOWN][::-1]

    def result(self, run: Run) -> str:
        """Return how one of its runs has ended; ``running`` if it has not."""
        if run.result is not None:
            return run.result.value
        return "running" if self.standing.running and run is self.runs[-1] else "killed"


def report_of(reader: JournalReader, journal: str | None, load: int | None) -> Report:
    """Read what there is to show about a load.

    Args:
        reader: Its journal.
        journal: The directory as it was typed, to be repeated.
        load: The load's number; None is the one that ran last.
    """
    view = reader.view(load)
    standing = standing_of(view)
    runs = reader.runs(view.load.load_id) if view.load is not None else []
    failures = reader.latest_failures(view.queues, _FAILURES_READ)
    keys = {row.queue_id: reader.keys(row.queue_id) for row in view.queues}
    following = next_command(standing, journal, named=load is not None)
    return Report(standing, runs, failures, names_in(reader, view), keys, following)
