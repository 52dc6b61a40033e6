"""How SQLite connections to a journal are opened, and what is looked at first."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from persistq.errors import (
    JournalCorrupt,
    JournalForeign,
    JournalNewer,
    JournalUnavailable,
)
from persistq.journal import marks
from persistq.journal.faults import reported
from persistq.site.finding import site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY_TIMEOUT: Final = 30.0
"""Seconds to wait for a lock that somebody else holds."""

Mode = Literal["ro", "rw", "ro&immutable=1", "ro&vfs=unix-none"]


def connect(path: Path, mode: Mode) -> sqlite3.Connection:
    """Open a file that exists; transactions are begun and ended in SQL only."""
    options: dict[str, Any] = {"isolation_level": None, "timeout": BUSY_TIMEOUT, "uri": True}
    if sys.version_info >= (3, 12):
        # The default is going to change to a mode in which COMMIT is not ours to say.
        options["autocommit"] = sqlite3.LEGACY_TRANSACTION_CONTROL
    connection: sqlite3.Connection = sqlite3.connect(f"{path.as_uri()}?mode={mode}", **options)
    return connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a journal for reading, also where nothing can be written: on a full disk, for example.

    Args:
        path: The journal file.

    Raises:
        JournalError: It cannot be read.
    """
    with reported(path):
        connection = connect(path, "ro")
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return connection
        except (sqlite3.Error, UnicodeDecodeError) as error:
            connection.close()
            # While a broker may write at any moment, there is no other way.
            if not isinstance(error, sqlite3.OperationalError) or site_of(str(path)).is_held():
                raise
            return _open_at_rest(path)


def _open_at_rest(path: Path) -> sqlite3.Connection:
    """Open a journal that nobody writes, without the index of its log, which cannot be made."""
    if not has_log(path):
        return connect(path, "ro&immutable=1")
    connection = connect(path, "ro&vfs=unix-none")
    # Alone with the file, SQLite keeps that index in memory.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    return connection


def log_of(path: Path) -> Path:
    """Return the file where SQLite keeps what is committed and not yet in the journal file."""
    return Path(f"{path}-wal")


def has_log(path: Path) -> bool:
    """Return whether anything is in the log beside a journal file."""
    try:
        return log_of(path).stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False


def canonical(path: Path) -> Path:
    """Return the one name of a file: SQLite names the log beside it after the name it was given.

    Raises:
        JournalUnavailable: The symbolic links lead nowhere.
    """
    try:
        with reported(path):
            return path.resolve()
    except RuntimeError as error:  # A loop of symbolic links, until Python 3.13.
        raise JournalUnavailable(str(path), "its symbolic links run in a circle") from error


def size_of(path: Path) -> int | None:
    """Return the size of a journal file in bytes, or None when there is none.

    Raises:
        JournalForeign: It is a directory, a FIFO or another thing that is not a file.
        JournalUnavailable: It has a second name (a hard link), or cannot be looked at.
    """
    with reported(path):
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
    if not stat.S_ISREG(found.st_mode):
        raise JournalForeign(str(path), "this is not a regular file, so it is no journal")
    if found.st_nlink > 1:
        reason = f"the file has {found.st_nlink} names (hard links), which damages it: keep one"
        raise JournalUnavailable(str(path), reason)
    return found.st_size


def schema_version(path: Path) -> int:
    """Look at a file without touching it and return the schema version of the journal it is.

    Raises:
        JournalForeign: The file is something else.
        JournalNewer: A newer persistq wrote it.
        JournalCorrupt: The file is damaged.
        JournalUnavailable: It cannot be read.
    """
    application_id, version = _ids(path)
    if application_id != marks.APPLICATION_ID:
        raise JournalForeign(str(path), "it is a database of another program: choose another name")
    if version > marks.SCHEMA_VERSION:
        reason = (
            f"a newer persistq wrote it (schema {version}, known is {marks.SCHEMA_VERSION}): "
            "upgrade persistq"
        )
        raise JournalNewer(str(path), reason)
    return version


def _open_briefly(path: Path) -> sqlite3.Connection:
    return open_to_read(path) if has_log(path) else connect(path, "ro&immutable=1")


def _ids(path: Path) -> tuple[int, int]:
    # With no log beside it the file is all there is, and reading it as immutable leaves no trace,
    # where plain read-only would put a log and its index next to somebody else's database.
    with _not_a_database(path), reported(path), closing(_open_briefly(path)) as connection:
        application_id = int(connection.execute("PRAGMA application_id").fetchone()[0])
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    return application_id, version


@contextmanager
def _not_a_database(path: Path) -> Iterator[None]:
    try:
        yield
    except JournalCorrupt as error:
        if getattr(error.__cause__, "sqlite_errorcode", 0) != sqlite3.SQLITE_NOTADB:
            raise
        raise JournalForeign(str(path), "this is not a database: choose another name") from error


def fsync(path: Path) -> None:
    """Bring a file or a directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
