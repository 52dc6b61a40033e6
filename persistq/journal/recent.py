"""Digests of what was put lately, each with the time until which it counts."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from persistq.journal.digests import scratch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_TABLE: Final = """
    CREATE TABLE recent (digest BLOB PRIMARY KEY, until REAL NOT NULL) STRICT, WITHOUT ROWID"""
_INDEX: Final = "CREATE INDEX by_time ON recent (until)"
_NOTE: Final = """
    INSERT INTO recent VALUES (?, ?) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)"""
_ADMIT: Final = """
    INSERT INTO recent VALUES (:digest, :until)
    ON CONFLICT DO UPDATE SET until = excluded.until WHERE until <= :now"""
_FORGET: Final = """
    DELETE FROM recent WHERE digest IN (
        SELECT digest FROM recent WHERE until <= ? ORDER BY until LIMIT ?
    )"""


class Recent:
    """Tells what was put less than some time ago, in a private temporary file.

    It needs as much memory for millions as for a few. The file is gone with its process; who comes
    next fills another one from the put-log.

    Args:
        window: How long a digest counts, in seconds.

    Raises:
        JournalUnavailable: There is no room for the file, or it cannot be made; also by `note` and
            `admit`.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self._scratch = scratch(_TABLE, _INDEX)

    def note(self, digests: Iterable[bytes], at: float) -> None:
        """Remember what was put at a time, in seconds since 1970."""
        until = at + self._window
        with self._scratch.transaction() as connection:
            connection.executemany(_NOTE, ((digest, until) for digest in digests))

    def admit(self, digests: Sequence[bytes], now: float) -> list[bool]:
        """Return for each digest in turn whether it may be put now; then it counts from now on.

        Crash: the file is gone with its process; whoever comes next fills it anew.
        """
        with self._scratch.transaction() as connection:
            # Twice as many as may come, so that it shrinks.
            connection.execute(_FORGET, (now, 2 * len(digests)))
            return [self._admit(connection, digest, now) for digest in digests]

    def close(self) -> None:
        """Give up the file. Safe to call twice."""
        self._scratch.close()

    def _admit(self, connection: sqlite3.Connection, digest: bytes, now: float) -> bool:
        values = {"digest": digest, "until": now + self._window, "now": now}
        return connection.execute(_ADMIT, values).rowcount > 0
