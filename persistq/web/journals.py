"""All journals of a directory, as they were looked at last; only what has changed is read again."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from persistq.cli.standing import bytes_of, next_command, standing_of
from persistq.errors import JournalError
from persistq.journal.opening import open_reader
from persistq.site.finding import catalogue_of

if TYPE_CHECKING:
    from persistq.cli.standing import Standing
    from persistq.journal.reader import JournalReader
    from persistq.site.base import Site

_PACE_S: Final = 8.0
"""Over how long a rate is taken, in seconds."""

_Mark = tuple[tuple[int, int], ...]


class Look(NamedTuple):
    """A journal at one moment.

    Attributes:
        name: The journal's name.
        standing: Its load; None if it cannot be read.
        size: How much room it takes, in bytes.
        next: What to type to bring it forward, or None.
        trouble: Why it cannot be read, or empty.
        rate: Items a second that have ended lately, if a run works on it; else None.
    """

    name: str
    standing: Standing | None
    size: int = 0
    next: str | None = None
    trouble: str = ""
    rate: float | None = None

    @property
    def is_running(self) -> bool:
        """Whether a run works on it."""
        return self.standing is not None and self.standing.running


class Pace:
    """How fast a load goes, from its counters at several moments.

    Args:
        load_id: The load.
    """

    def __init__(self, load_id: int) -> None:
        self.load_id = load_id
        self._points: deque[tuple[float, int]] = deque()

    def note(self, now: float, ended: int) -> float | None:
        """Note how many items have ended by now; return how many a second lately, if known."""
        self._points.append((now, ended))
        while len(self._points) > 2 and self._points[1][0] < now - _PACE_S:
            self._points.popleft()
        since, before = self._points[0]
        return max(0.0, (ended - before) / (now - since)) if now > since else None


class Journals:
    """All journals of a directory; any thread may ask.

    What a journal holds is read again when its files have changed, or when the run on it has gone:
    a hundred that rest cost a hundred looks at the dates of their files.

    Args:
        directory: The directory.
        typed: The directory as it was typed, to be repeated in what to type next.
    """

    def __init__(self, directory: Path, typed: str | None = None) -> None:
        self.directory = directory
        self.typed = typed
        self._lock = threading.Lock()
        self._looks: dict[str, Look] = {}
        self._marks: dict[str, _Mark] = {}
        self._paces: dict[str, Pace] = {}
        self._versions: dict[str, int] = {}
        self._looked_at = -math.inf

    def refresh(self, *, older_than: float = 0.0) -> None:
        """Look again at what may have changed.

        Args:
            older_than: Nothing is done if that was done less long ago, in seconds: several pages
                that are open at the same time look at the files once.

        Raises:
            JournalUnavailable: The directory is somebody else's.
        """
        with self._lock:
            if time.monotonic() - self._looked_at < older_than:
                return
            sites = {site.name: site for site in self.sites()}
            gone = {name for name in self._looks if name not in sites}
            for name in gone:
                self._forget(name)
            for name in [*gone, *(it for it in sites if self._looked(it, sites[it]))]:
                self._versions[name] = self._versions.get(name, 0) + 1
            self._looked_at = time.monotonic()

    def version(self, name: str | None) -> int:
        """Return a number that rises with each change of a journal; of all of them for None."""
        with self._lock:
            return sum(self._versions.values()) if name is None else self._versions.get(name, 0)

    def looks(self) -> list[Look]:
        """Return each journal as it was looked at last, sorted by name."""
        with self._lock:
            return [self._looks[name] for name in sorted(self._looks)]

    def look(self, name: str) -> Look | None:
        """Return one of them, or None if there is none of this name."""
        with self._lock:
            return self._looks.get(name)

    def sites(self) -> list[Site]:
        """Return where each journal of the directory lives.

        Raises:
            JournalUnavailable: The directory is somebody else's.
        """
        return [*catalogue_of(self.directory).sites()]

    def reader(self, name: str) -> JournalReader:
        """Open one of them.

        Raises:
            UsageError: No journal can have this name.
            JournalError: It cannot be read, or is not there.
        """
        return open_reader(catalogue_of(self.directory).site(name))

    def _forget(self, name: str) -> None:
        for kept in (self._looks, self._marks, self._paces):
            kept.pop(name, None)

    def _looked(self, name: str, site: Site) -> bool:
        """Look at one journal, if need be; return whether anything about it has changed."""
        mark, before = _mark_of(site), self._looks.get(name)
        is_old = before is not None and self._marks.get(name) == mark
        if before is not None and is_old and (not before.is_running or site.is_held()):
            look = before
        else:
            look = self._read(name, site)
        self._marks[name] = mark
        look = look._replace(rate=self._rate(look))
        if look == before:
            return False
        self._looks[name] = look
        return True

    def _read(self, name: str, site: Site) -> Look:
        try:
            with open_reader(site) as reader:
                standing = standing_of(reader.view())
        except JournalError as error:
            return Look(name, None, trouble=str(error))
        size = 0
        with suppress(OSError):
            size = bytes_of(site.journal)
        return Look(name, standing, size, next_command(standing, self.typed))

    def _rate(self, look: Look) -> float | None:
        load = look.standing.view.load if look.standing is not None else None
        if look.standing is None or load is None or not look.is_running:
            self._paces.pop(look.name, None)
            return None
        pace = self._paces.get(look.name)
        if pace is None or pace.load_id != load.load_id:
            pace = self._paces[look.name] = Pace(load.load_id)
        return pace.note(time.monotonic(), ended_of(look.standing))


def ended_of(standing: Standing) -> int:
    """Return how many items of a load have ended, one way or the other; results are none."""
    return sum(queue.put - queue.outstanding for queue in standing.view.worked_on)


def _mark_of(site: Site) -> _Mark:
    """Return what is another one when a journal's files have been written."""
    found = []
    for end in ("", "-wal"):
        with suppress(OSError):
            it = Path(f"{site.journal}{end}").stat()
            # Who only reads leaves an empty log.
            if it.st_size:
                found.append((it.st_mtime_ns, it.st_size))
    return tuple(found)
