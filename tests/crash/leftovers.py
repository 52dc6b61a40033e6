"""What a load may leave behind when all is over: processes, sockets, files. None should stay."""

from __future__ import annotations

import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from persistq.site.endpoint import place_of
from persistq.site.runlock import holder_of

from .evidence import EFFECTS, FAULTS, PUTS
from .nemesis import living

KINDS = ("processes", "sockets", "files")
GONE_WITHIN_S = 15.0
JOURNAL_DIRECTORY = ".persistq"
LOCK = Path(JOURNAL_DIRECTORY, "soak.lock")
OURS = {EFFECTS, PUTS, FAULTS, "stderr", "state"}
STAY = {"soak.db", "soak.db-wal", "soak.db-shm", "soak.lock", "soak.workers"}
"""What belongs to a journal; its log stays if a broker is killed after the last record."""


class Leftovers:
    """Looks for what is left of one load.

    Args:
        home: The load's directory.
        cookie: What all of its processes carry in their environment.
    """

    def __init__(self, home: Path, cookie: str) -> None:
        self._home = home
        self._cookie = cookie
        self._addresses: set[str] = set()
        self._before = set(_shared())

    def watch(self) -> None:
        """Note where the present broker listens, if it does."""
        if (holder := holder_of(self._home / LOCK)) is not None:
            self._addresses.add(str(place_of(str(self._home / LOCK), holder.address)))

    def found(self) -> dict[str, list[str]]:
        """Return what is left after a while, by kind."""
        deadline = time.monotonic() + GONE_WITHIN_S
        while any((left := self._look()).values()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return left

    def _look(self) -> dict[str, list[str]]:
        processes = [f"{pid} {line}" for pid, line in living(self._cookie).items()]
        shared = [path for path in set(_shared()) - self._before if not _in_use(path)]
        files = sorted(map(str, [*shared, *self._strange_files()]))
        return dict(zip(KINDS, (processes, sorted(self._sockets()), files), strict=True))

    def _sockets(self) -> set[str]:
        return {address for address in self._addresses if _is_socket(address)}

    def _strange_files(self) -> Iterator[Path]:
        for path in self._home.iterdir():
            if path.name not in OURS | {JOURNAL_DIRECTORY}:
                yield path
        for path in (self._home / JOURNAL_DIRECTORY).iterdir():
            if path.name not in STAY:
                yield path


def _is_socket(address: str) -> bool:
    with suppress(OSError):
        return stat.S_ISSOCK(Path(address).stat().st_mode)
    return False


def _shared() -> Iterator[Path]:
    """Yield what processes may leave in places that are not the load's own."""
    with suppress(FileNotFoundError):
        yield from Path("/dev/shm").iterdir()
    yield from Path(tempfile.gettempdir()).glob("persistq-*")


def _in_use(path: Path) -> bool:
    """Return whether a process maps the file: then it is not left, and another program's."""
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):
            if str(path) in maps.read_text():
                return True
    return False
