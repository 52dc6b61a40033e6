"""One live broker for each journal: kernel locks, and the address of who holds them.

The lock is the kernel's and ends with its process, however that dies, so there is never a stale
lock file to delete. The file's text only says whom to talk to, and counts while the lock is held.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import msgspec

from persistq.site.ownership import open_own
from persistq.site.rangelock import Byte, descriptor_of, try_lock

_POLL_S: Final = 0.02


def lock_path(journal: str) -> Path:
    """Return the run lock's file of a journal file."""
    return Path(journal).with_suffix(".lock")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who works on a journal.

    Attributes:
        pid: The broker's process.
        host: Its host name.
        kind: ``queue`` or ``pipeline``.
        address: The directory of its socket, as seen from that of the journal.
        token: The secret of the run, which both ends of a connection prove to know.
        started: Start of the run, seconds since the epoch.
    """

    pid: int
    host: str
    kind: str
    address: str
    token: str
    started: float


class RunLock:
    """The exclusive right to write one journal, held until the process ends.

    Args:
        path: The lock file, beside the journal; created if missing, never deleted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1

    def acquire(self) -> bool:
        """Try to take the lock; False if a live process has it.

        What the one before has published stands there until `publish` or `withdraw`.

        Crash: the kernel releases the lock.
        """
        file = open_own(self.path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        return True

    def claim(self, journal: Path, timeout: float) -> bool:
        """Take the journal file itself; False if another process writes it.

        The lock file may have been deleted, or be another one where another path leads to the same
        journal. The one before may have let go of the lock file a moment before this one; so it
        waits. Call it before the journal is written, if it exists, and again when it is open.

        Crash: the kernel releases the journal.

        Args:
            journal: The journal file.
            timeout: Longest wait, in seconds.
        """
        file = descriptor_of(journal)
        deadline = time.monotonic() + timeout
        while not try_lock(file, Byte.BROKER, exclusive=True):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def publish(self, holder: Holder) -> None:
        """Tell others where the broker listens, or is going to.

        Crash: the text is there, cut short or missing; it counts for nobody but the next holder,
        who looks there for what this one has left.
        """
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps(asdict(holder)).encode(), 0)

    def withdraw(self) -> None:
        """Say that nobody listens any more; the lock itself stays until the process ends."""
        os.ftruncate(self._file, 0)


def holder_of(path: Path) -> Holder | None:
    """Return who published itself in a lock file last, or None; it may be dead by now."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, ValueError, RecursionError):
        return None


def is_held(path: Path) -> bool:
    """Return whether a live process holds the lock at this moment."""
    try:
        file = open_own(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
