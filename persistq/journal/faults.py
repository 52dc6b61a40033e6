"""What SQLite and the file system complain about, told as journal errors."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from persistq.errors import JournalCorrupt, JournalError, JournalUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DISK_FULL: Final = "the disk is full: free space and run the script again"

_UNAVAILABLE: Final = {
    sqlite3.SQLITE_FULL: _DISK_FULL,
    sqlite3.SQLITE_IOERR: (
        "reading or writing failed ({error}): check the disk and its free space, "
        "then run the script again"
    ),
    sqlite3.SQLITE_READONLY: "it cannot be written ({error}): check who may write the file",
    sqlite3.SQLITE_PERM: "it cannot be opened ({error}): check who may read and write the file",
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened ({error}): check who may read and write the file and its directory"
    ),
    sqlite3.SQLITE_BUSY: "another program keeps it locked ({error}): end that and try again",
    sqlite3.SQLITE_LOCKED: "it is locked ({error}): end what uses it and try again",
    sqlite3.SQLITE_PROTOCOL: "its lock cannot be taken ({error}): end what uses it and try again",
    sqlite3.SQLITE_NOMEM: "there is no memory left: free some and run the script again",
}

_OS: Final = {
    errno.ENOSPC: _DISK_FULL,
    errno.EDQUOT: "your share of the disk is full: free space and run the script again",
    errno.EFBIG: "a file would be larger than is allowed (ulimit -f): raise that limit",
    errno.EROFS: "it is on a read-only file system: make that writable, or keep journals elsewhere",
    errno.EMFILE: "this process has too many open files: raise the limit (ulimit -n)",
}
_CHECK_RIGHTS: Final = "check who may read and write the file and its directory"

_RESTORE: Final = "restore a backup"
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

# After a failed fsync the kernel may call the lost pages clean, so a second attempt proves nothing.
_UNSYNCABLE: Final = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}


def code_of(error: BaseException) -> int:
    """Return the extended SQLite result code of an error, 0 if it has none."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code if isinstance(code, int) else 0


def is_final(error: BaseException) -> bool:
    """Tell whether nothing more may be recorded through the connection that met this error."""
    code = code_of(error)
    return code in _UNSYNCABLE or code & 0xFF in _DAMAGED


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the file system into journal errors.

    Raises:
        JournalUnavailable: Disk full, I/O error, read-only, locked.
        JournalCorrupt: The file is damaged, or a row contradicts another.
    """
    try:
        yield
    except sqlite3.Error as error:
        explained = _explained(str(path), error)
        if explained is None:
            raise
        raise explained from error
    except UnicodeDecodeError as error:  # SQLite quotes what it cannot read.
        raise JournalCorrupt(str(path), f"the file is damaged ({error}): {_RESTORE}") from error
    except OSError as error:
        raise JournalUnavailable(str(path), _reason(error)) from error


def _reason(error: OSError) -> str:
    if error.errno in _OS:
        return _OS[error.errno]
    text = os.strerror(error.errno) if error.errno else str(error)
    place = f" at {error.filename}" if error.filename else ""
    if isinstance(error, PermissionError):
        return f"{text}{place}: {_CHECK_RIGHTS}"
    return f"{text}{place}: put that right and run the script again"


def _explained(path: str, error: sqlite3.Error) -> JournalError | None:
    primary = code_of(error) & 0xFF
    if isinstance(error, sqlite3.IntegrityError):
        return JournalCorrupt(path, f"a record contradicts another ({error}): it was refused")
    if primary in _DAMAGED or str(error) == "unsupported file format":
        return JournalCorrupt(path, f"the file is damaged ({error}): {_RESTORE}")
    if primary in _UNAVAILABLE:
        return JournalUnavailable(path, _UNAVAILABLE[primary].format(error=error))
    if primary == sqlite3.SQLITE_ERROR and str(error).startswith("no such"):
        return JournalCorrupt(path, f"a part of it is missing ({error}): {_RESTORE}")
    return None
