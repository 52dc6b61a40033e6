"""A multiset of digests that needs as much memory for millions as for a few."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from persistq.errors import JournalUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_CACHE_KIB: Final = 16 << 10

_TABLE: Final = """
    CREATE TABLE digest (digest BLOB PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID"""
_ADD: Final = "INSERT INTO digest VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1"
_TAKE: Final = "UPDATE digest SET n = n - 1 WHERE digest = ? AND n > 0"


class Digests:
    """Counts digests in a private temporary file, which nobody else can open.

    It is deleted by itself as soon as it is made, so it is gone when its process is, however that
    ends. It lies where SQLite keeps temporary files: ``SQLITE_TMPDIR``, ``TMPDIR``, ``/var/tmp``,
    ``/tmp``.

    Raises:
        JournalUnavailable: There is no room for the file, or it cannot be made; also by `add` and
            `take`, of which nothing has been counted then.
    """

    def __init__(self) -> None:
        self._scratch = scratch(_TABLE)

    def add(self, digests: Iterable[bytes]) -> None:
        """Count each digest once more.

        Crash: the file is gone with its process; whoever comes next counts again.
        """
        with self._scratch.transaction() as connection:
            connection.executemany(_ADD, ((digest,) for digest in digests))

    def take(self, digests: Sequence[bytes]) -> list[bool]:
        """Take one count off for each digest in turn; False where none was left.

        Crash: as for `add`.
        """
        with self._scratch.transaction() as connection:
            run = connection.execute
            return [run(_TAKE, (digest,)).rowcount > 0 for digest in digests]

    def close(self) -> None:
        """Give up the file. Safe to call twice."""
        self._scratch.close()


def scratch(*tables: str) -> Scratch:
    """Return a private temporary file with these tables.

    Raises:
        JournalUnavailable: There is no room for it, or it cannot be made.
    """
    return Scratch(tables)


class Scratch:
    """A database in a temporary file that nobody else can open.

    Args:
        tables: The statements that make what is in it.

    Raises:
        JournalUnavailable: There is no room for it, or it cannot be made; also by `transaction`.
    """

    def __init__(self, tables: Sequence[str]) -> None:
        with _reported():
            self._connection = sqlite3.connect("", isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = MEMORY")
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            for table in tables:
                self._connection.execute(table)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Change all of what the ``with`` block changes, or nothing."""
        with _reported():
            self._connection.execute("BEGIN")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Give up the file. Safe to call twice."""
        self._connection.close()


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        reason = (
            f"repeated puts are found with a temporary file there, and that failed ({error}): "
            "free space, or name another directory in TMPDIR, and run the script again"
        )
        raise JournalUnavailable(_directory(), reason) from error


def _directory() -> str:
    """Return where SQLite keeps temporary files, as far as that can be known."""
    return os.environ.get("SQLITE_TMPDIR") or tempfile.gettempdir()
