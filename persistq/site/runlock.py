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

from persistq.peer import Peer
from persistq.site.ownership import open_own
from persistq.site.rangelock import Byte, descriptor_of, try_lock, unlock

_POLL_S: Final = 0.02


def lock_path(journal: str) -> Path:
    """Return the run lock's file of a journal file."""
    return Path(journal).with_suffix(".lock")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who works on a journal.

    Attributes:
        peer: The broker's process.
        kind: ``queue`` or ``pipeline``.
        address: The directory of its socket, as seen from that of the journal.
        token: The secret of the run, which both ends of a connection prove to know.
        since: When it published this, in seconds since the epoch; for people.
    """

    peer: Peer
    kind: str
    address: str
    token: str
    since: float


class RunLock:
    """The exclusive right to write one journal, held until the process ends.

    Args:
        path: The lock file, beside the journal; created if missing.
        journal: The journal file, if it is to be taken as well.
    """

    def __init__(self, path: Path, journal: Path | None = None) -> None:
        self.path = path
        self._journal = journal
        self._file = -1
        self._claimed: int | None = None

    def acquire(self) -> bool:
        """Try to take the lock; False if a live process has it.

        What the one before has published stands there until `publish` or `withdraw`.

        Crash: the kernel releases the lock.
        """
        while True:
            file = open_own(self.path, os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                return False
            if _is_at(self.path, file):
                self._file = file
                return True
            # It was removed with its journal a moment ago; others may have made another one.
            os.close(file)

    def release(self) -> None:
        """Give the lock back before the process ends, with the journal file if that was taken."""
        if self._claimed is not None:
            unlock(self._claimed, Byte.BROKER)
        os.close(self._file)

    def claim(self, timeout: float) -> bool:
        """Take the journal file itself; False if another process writes it.

        The lock file may have been deleted, or be another one where another path leads to the same
        journal. The one before may have let go of the lock file a moment before this one; so it
        waits. Call it before the journal is written, if it exists, and again when it is open.

        Crash: the kernel releases the journal.

        Args:
            timeout: Longest wait, in seconds.
        """
        assert self._journal is not None, "it is known which journal this is"
        file = descriptor_of(self._journal)
        deadline = time.monotonic() + timeout
        while not try_lock(file, Byte.BROKER, exclusive=True):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        self._claimed = file
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


def _is_at(path: Path, file: int) -> bool:
    """Return whether a path leads to an open file still."""
    try:
        return os.path.samestat(path.stat(follow_symlinks=False), os.fstat(file))
    except FileNotFoundError:
        return False


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
