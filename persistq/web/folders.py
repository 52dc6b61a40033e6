"""All folders that are listed, as they were looked at last; only what has changed is read again."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from persistq.cli.folderlist import next_for
from persistq.errors import FolderError, UsageError
from persistq.folder.counting import counted
from persistq.folder.finding import folders_of
from persistq.folder.listing import directories_in
from persistq.folder.owner import Watch
from persistq.folder.place import Place, place_of

if TYPE_CHECKING:
    from persistq.folder.counting import Counts

SETTLED_S: Final = 1.0
"""For so long after a change a folder is read anew: times of files do not tell two quick changes
apart."""

AGED_S: Final = 5.0
"""So often it is at least, because who has something in hand may have died, and times go on."""

SHARE: Final = 0.02
"""Which share of a processor reading one may take: a folder of many files is read less often."""

_LEASE_S: Final = 60.0

_Mark = tuple[int, ...]


class FolderLook(NamedTuple):
    """A folder at one moment.

    Attributes:
        key: Names it in the addresses of pages.
        path: The folder.
        counts: What lies in it; None if it cannot be read.
        trouble: Why it cannot be read, or empty.
        version: A number that rises with each change.
    """

    key: str
    path: Path
    counts: Counts | None
    trouble: str
    version: int

    @property
    def next(self) -> str | None:
        """What to type to bring it forward, or None."""
        return next_for(self.path, self.counts)

    @property
    def needs_somebody(self) -> bool:
        """Whether it waits for a person."""
        return bool(self.trouble) or self.next is not None


@dataclass(slots=True)
class _Seen:
    """What is known of one folder between two looks."""

    watch: Watch
    mark: _Mark = ()
    changed_at: float = -math.inf
    read_at: float = -math.inf
    cost: float = 0.0
    read_mark: _Mark = ()
    look: FolderLook | None = None

    def is_due(self, now: float, mark: _Mark) -> bool:
        """Return whether it is to be read again."""
        if mark != self.mark:
            self.mark, self.changed_at = mark, now
        is_settled = now - self.changed_at > SETTLED_S
        pause = max(AGED_S if is_settled else 0.0, self.cost / SHARE)
        return self.look is None or now - self.read_at >= pause


class Folders:
    """All folders of this user, and those beside journals; any thread may ask.

    Nothing is read but these: an address names one by a key that is made from its path, and is
    compared with theirs.

    Args:
        journals: The directory of journals.
    """

    def __init__(self, journals: Path) -> None:
        self._journals = journals
        self._lock = threading.Lock()
        self._seen: dict[Path, _Seen] = {}
        self._gone = 0
        self._looked_at = -math.inf

    def refresh(self, *, older_than: float = 0.0) -> None:
        """Look again at what may have changed.

        Args:
            older_than: Nothing is done if that was done less long ago, in seconds.
        """
        with self._lock:
            if time.monotonic() - self._looked_at < older_than:
                return
            paths = folders_of(self._journals)
            for path in self._seen.keys() - {*paths}:
                self._gone += 1 + self._seen.pop(path).look.version  # type: ignore[union-attr]
            for path in paths:
                if path not in self._seen:
                    self._seen[path] = _Seen(Watch(place_of(path), _LEASE_S))
                self._refresh_one(path, self._seen[path])
            self._looked_at = time.monotonic()

    def version(self, key: str | None) -> int:
        """Return a number that rises with each change of a folder; of all of them for None."""
        looks = self.looks()
        if key is None:
            return self._gone + sum(1 + look.version for look in looks)
        return next((look.version for look in looks if look.key == key), 0)

    def looks(self) -> list[FolderLook]:
        """Return each folder as it was looked at last, sorted by path."""
        with self._lock:
            found = [seen.look for seen in self._seen.values() if seen.look is not None]
        return sorted(found, key=lambda look: look.path)

    def look(self, key: str) -> FolderLook:
        """Return one of them.

        Raises:
            UsageError: There is none of this key.
        """
        for look in self.looks():
            if look.key == key:
                return look
        raise UsageError("there is no such folder: it is gone, or was never listed")

    def place(self, key: str) -> tuple[Place, Watch]:
        """Return one of them, to be read or changed, and who tells of its owners who is dead.

        Raises:
            UsageError: There is none of this key.
            FolderError: It is a stranger's.
        """
        path = self.look(key).path
        with self._lock:
            seen = self._seen.get(path)
        place = place_of(path)
        place.require_own()
        return place, seen.watch if seen is not None else Watch(place, _LEASE_S)

    def _refresh_one(self, path: Path, seen: _Seen) -> None:
        now = time.monotonic()
        if not seen.is_due(now, (*_times(path),)):
            return
        began = time.thread_time()
        found = counted(path, seen.watch)
        before = seen.look or FolderLook(key_of(path), path, None, "", 0)
        if isinstance(found, FolderError):
            made = before._replace(counts=None, trouble=str(found))
        else:
            made = before._replace(counts=found, trouble="")
        # Names may have changed and no number.
        is_same = (
            made == before and seen.mark == seen.read_mark and now - seen.changed_at > SETTLED_S
        )
        seen.look = made if is_same else made._replace(version=made.version + 1)
        seen.cost, seen.read_at, seen.read_mark = time.thread_time() - began, now, seen.mark


def key_of(path: Path) -> str:
    """Return what names a folder in an address."""
    return blake2b(os.fsencode(path), digest_size=8).hexdigest()


def _times(path: Path) -> Iterator[int]:
    """Yield what is another number when a name in one of a folder's directories comes or goes."""
    inside = [path, *(path / name for name in (".parked", ".rounds", ".owners"))]
    for above in (path / ".taken", path / ".tmp"):
        with suppress(OSError):
            inside += [above, *(above / name for name in directories_in(above))]
    for directory in inside:
        with suppress(OSError):
            yield directory.lstat().st_mtime_ns
