"""Where a journal stands, in the words of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from persistq.journal.base import LoadState
from persistq.runlock import Holder, holder_of, is_held, lock_path
from persistq.terminal import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from persistq.journal.base import Command, JournalView

_STATES = {
    LoadState.OPEN: "unfinished",
    LoadState.SETTLED: "settled",
    LoadState.ABANDONED: "abandoned",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A journal at one moment, and whether a live run holds it.

    Attributes:
        view: The latest load, its last run and its queues.
        running: Whether a run holds the journal.
        holder: That run's broker; None if there is none, or it is just starting or ending.
    """

    view: JournalView
    running: bool
    holder: Holder | None

    @property
    def state(self) -> str:
        """``running``, ``unfinished``, ``settled``, ``abandoned``, or ``empty`` without a load."""
        if self.running:
            return "running"
        return _STATES[self.view.load.state] if self.view.load is not None else "empty"

    @property
    def done(self) -> int:
        """Items done, over all stages."""
        return sum(queue.done for queue in self.view.queues)

    @property
    def dropped(self) -> int:
        """Items dropped, over all stages."""
        return sum(queue.dropped for queue in self.view.queues)


def standing_of(view: JournalView) -> Standing:
    """Ask the kernel whether a run holds a journal."""
    lock = lock_path(view.path)
    running = is_held(lock)
    return Standing(view, running, holder_of(lock) if running else None)


def next_command(standing: Standing, journal: str | None) -> str | None:
    """Return what to type to bring a load forward, or None if nothing is left or it is running.

    Args:
        standing: The load.
        journal: The directory as it was typed, to be repeated.
    """
    view = standing.view
    if standing.running or view.load is None or view.load.state is LoadState.ABANDONED:
        return None
    if not view.unfinished and not view.parked:
        return None
    words = ["persistq", "resume", *([] if view.unfinished else ["--failed"]), view.name]
    return _typed([*words, *(["--journal", journal] if journal is not None else [])])


def brief(command: Command) -> str:
    """Return a command as one would type it, with the path of the interpreter left out."""
    words = list(command.argv)
    if words and Path(words[0]).name == "persistq":
        return _typed(["persistq", *words[1:]])
    return _typed([Path(command.executable).name, *words])


def _typed(words: Iterable[str]) -> str:
    return " ".join(map(quoted, words))


def moment(time: datetime | None) -> str:
    """Return a moment for people: ISO 8601 in UTC, to the second; ``-`` for none."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ") if time is not None else "-"


def duration(span: timedelta) -> str:
    """Return a duration for people, such as ``1h02m`` or ``3.2s``."""
    seconds = span.total_seconds()
    minutes = int(seconds) // 60
    if seconds < 60:
        return f"{seconds:.1f}s"
    return (
        f"{minutes}m{int(seconds) % 60:02}s"
        if minutes < 60
        else f"{minutes // 60}h{minutes % 60:02}m"
    )
