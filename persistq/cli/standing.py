"""Where a journal stands, in the words of the command line."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from persistq.errors import JournalError
from persistq.journal.load import LoadState
from persistq.site.finding import site_of
from persistq.text.masking import masked_words
from persistq.text.terminal import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from persistq.journal.run import Command
    from persistq.journal.view import JournalView
    from persistq.site.fence import InHand
    from persistq.site.runlock import Holder

_STATES = {
    LoadState.OPEN: "unfinished",
    LoadState.SETTLED: "settled",
    LoadState.ABANDONED: "abandoned",
    LoadState.REOPENED: "reopened",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A load at one moment, and whether a live run works on it.

    Attributes:
        view: The load, its last run and its queues.
        running: Whether a run holds the journal, and works on this load.
        holder: That run's broker; None if there is none, or it is just starting or ending.
    """

    view: JournalView
    running: bool
    holder: Holder | None

    @property
    def state(self) -> str:
        """``running``, ``unfinished``, ``settled``, ``abandoned``, ``reopened``, or ``empty``."""
        if self.running:
            return "running"
        return _STATES[self.view.load.state] if self.view.load is not None else "empty"

    @property
    def done(self) -> int:
        """Items done, over all stages; results are no work."""
        return sum(queue.done for queue in self.view.worked_on)

    @property
    def dropped(self) -> int:
        """Items dropped, over all stages."""
        return sum(queue.dropped for queue in self.view.queues)


def standing_of(view: JournalView) -> Standing:
    """Ask the kernel whether a run holds a journal."""
    site = site_of(view.path)
    running = view.ran_last and site.is_held()
    return Standing(view, running, site.holder() if running else None)


def in_hand(standing: Standing) -> list[InHand]:
    """Return what the consumers of a live run on this host work on; nothing if it is unknown."""
    if not standing.running:
        return []
    with suppress(OSError, JournalError):
        lookout = site_of(standing.view.path).lookout()
        with closing(lookout):
            return lookout.items_in_hand()
    return []


def next_command(standing: Standing, journal: str | None, *, named: bool = False) -> str | None:
    """Return what to type to bring a load forward, or None if nothing is left or it is running.

    Args:
        standing: The load.
        journal: The directory as it was typed, to be repeated.
        named: Whether the load was asked for by its number, to be repeated.
    """
    view = standing.view
    if standing.running or view.load is None or not has_work(view):
        return None
    settled = view.load.state is LoadState.SETTLED
    words = ["persistq", "resume", *(["--failed"] if settled else [])]
    if named or view.load.state is LoadState.ABANDONED:
        words += ["--load", str(view.load.load_id)]
    words.append(view.name)
    return _typed([*words, *(["--journal", journal] if journal is not None else [])])


def parked_command(standing: Standing, journal: str | None, *, named: bool = False) -> str | None:
    """Return what to type to see what is parked, or None if nothing is.

    Args:
        standing: The load.
        journal: The directory as it was typed, to be repeated.
        named: Whether the load was asked for by its number, to be repeated.
    """
    view = standing.view
    if view.load is None or not view.parked:
        return None
    words = [
        "persistq",
        "failed",
        *(["--load", str(view.load.load_id)] if named else []),
        view.name,
    ]
    return _typed([*words, *(["--journal", journal] if journal is not None else [])])


def has_work(view: JournalView) -> bool:
    """Return whether a load can be worked on, if only with ``--failed``."""
    if view.load is None:
        return False
    if view.load.state is LoadState.SETTLED:
        return view.parked > 0
    return view.unfinished or view.outstanding > 0


def brief(command: Command) -> str:
    """Return a command for people: secrets masked, the path of the interpreter left out."""
    words = masked_words(command.argv)
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


def ago(time: datetime | None) -> str:
    """Return how long ago a moment was, in at most eight characters; ``-`` for none."""
    return "-" if time is None else f"{coarse(datetime.now(UTC) - time)} ago"


def coarse(span: timedelta) -> str:
    """Return a duration in one unit, such as ``26h``; a clock that was set back counts as 0."""
    seconds = max(0, int(span.total_seconds()))
    for unit, length, most in (("s", 1, 60), ("m", 60, 60), ("h", 3600, 48)):
        if seconds < length * most:
            return f"{seconds // length}{unit}"
    return f"{seconds // 86_400}d"


def bytes_of(journal: str) -> int:
    """Return how much room a journal takes, with its log."""
    files = (Path(f"{journal}{end}") for end in ("", "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def sized(count: int) -> str:
    """Return a size for people, such as ``12.3 MB``."""
    if count < 1000:
        return f"{count} B"
    size = count / 1000
    for unit in ("kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
