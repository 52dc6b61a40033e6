"""Kernel locks on bytes of the journal file itself.

They belong to the file and not to a name of it: whatever path leads there, by a bind mount or a
hard link, and whatever becomes of the files beside it. The bytes lie far behind those that SQLite
locks, and behind any that a file can have.

On Linux such a lock belongs to the open file, lasts until its last copy is closed, and is inherited
by a fork. Elsewhere it belongs to the process, and goes when that closes *any* descriptor of the
file; so whoever may have done that takes it once more. SQLite's own locks go in that way
everywhere: that is why a broker, which writes, keeps its descriptors open as long as it lives.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
from enum import IntEnum
from pathlib import Path
from typing import Final

from persistq.site.ownership import open_own

_FIRST_BYTE: Final = 1 << 62
_UNKNOWN: Final = {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


class Byte(IntEnum):
    """What a byte stands for."""

    BROKER = 0
    CONSUMERS = 1


_kept: dict[tuple[int, int], int] = {}


def descriptor_of(journal: Path) -> int:
    """Return the broker's one descriptor of a journal file, which stays open.

    Raises:
        JournalUnavailable: The file is of somebody who is not trusted.
        OSError: It cannot be opened.
    """
    found = journal.stat()
    known = _kept.get((found.st_dev, found.st_ino))
    if known is not None:
        return known
    file = open_own(journal, os.O_RDWR)
    found = os.fstat(file)
    _kept[found.st_dev, found.st_ino] = file
    return file


def try_lock(file: int, byte: Byte, *, exclusive: bool) -> bool:
    """Lock a byte, without waiting; False if somebody else holds it.

    A file system that has no such locks lets everybody in: then the epoch in the journal decides.

    Args:
        file: A descriptor, writable for an exclusive lock.
        byte: Which one.
        exclusive: Whether to share it with nobody.
    """
    return _set(file, byte, fcntl.F_WRLCK if exclusive else fcntl.F_RDLCK)


def unlock(file: int, byte: Byte) -> None:
    """Give a byte back."""
    _set(file, byte, fcntl.F_UNLCK)


def _set(file: int, byte: Byte, kind: int) -> bool:
    try:
        _ask(file, _FIRST_BYTE + byte, kind)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
    return True


def _ask(file: int, at: int, kind: int) -> None:
    if sys.platform == "linux":
        # struct flock: type, whence, start, length, pid (0 for locks of open files).
        request = struct.pack("hhqqi4x", kind, os.SEEK_SET, at, 1, 0)
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, request)
    else:
        names = {fcntl.F_WRLCK: fcntl.LOCK_EX, fcntl.F_RDLCK: fcntl.LOCK_SH}
        operation = names[kind] | fcntl.LOCK_NB if kind in names else fcntl.LOCK_UN
        fcntl.lockf(file, operation, 1, at, os.SEEK_SET)
