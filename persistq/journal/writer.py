"""The one read-write connection to a journal file, and its transaction discipline."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from persistq import failpoints
from persistq.errors import JournalUnavailable
from persistq.journal import changes, marks, queries
from persistq.journal.connection import connect, log_of
from persistq.journal.faults import is_final, reported
from persistq.journal.pages import Pages
from persistq.journal.rows import peer_from, peer_values
from persistq.site.processes import this_process

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# The log is folded back when it has so many bytes. With more, single commits took twice as long
# when measured, because a log that starts again in place need not grow; where the bytes of large
# items are what takes time, folding more at once saves a third of it.
_CHECKPOINT_BYTES: Final = 4 << 20
_CHECKPOINT_BYTES_BULKY: Final = 64 << 20
_LOG_BYTES_KEPT: Final = 64 << 20
# A transaction's pages wait in memory for its commit, up to so many bytes. With SQLite's own 2 MB,
# pages that change more than once were written more than once: a sixth more with items of 1 MB.
_UNCOMMITTED_BYTES: Final = 32 << 20


class Writer:
    """A connection on which every change is made within `transaction`.

    Attributes:
        closed: Whether `close` was called.
        unsynced: Whether there are commits that a power cut would take.
    """

    def __init__(self, file: Path, *, always_full: bool) -> None:
        self.closed = False
        self.unsynced = False
        self._file = file
        self._always_full = always_full
        self._pid = os.getpid()
        self._full: bool | None = None
        self._bulky: bool | None = None
        self._given_up: str | None = None
        self._together = False
        with reported(file):
            self._connection = connect(file, "rw")
            self._pages = Pages(self._connection, str(file))
            try:
                self._configure()
                self._epoch = self._take_over()
                self._identities = {name: _identity(name) for name in (file, log_of(file))}
            except BaseException:
                self._connection.close()
                raise

    @contextmanager
    def transaction(self, *, synced: bool, bulky: bool = False) -> Iterator[None]:
        """Commit what the ``with`` block does, or roll it back whole.

        Within `together`, the commit comes at the end of that.

        Args:
            synced: Whether the commit must be on disk before the block ends.
            bulky: Whether it writes so many bytes that they are what takes time.

        Raises:
            JournalUnavailable: Disk full, I/O error, read-only, locked, taken over by another
                writer; or what was to be synced went into a file that was taken away.
            JournalCorrupt: A row contradicts another, or the file is damaged.

        Crash: everything in the block is recorded, or nothing.
        """
        self.require_usable()
        if self._together:
            yield
            return
        full = synced or self._always_full
        with reported(self._file):
            try:
                self._begin(full=full, bulky=bulky)
                self._require_turn()
                yield
                failpoints.point("journal.before_commit")
                self._connection.execute("COMMIT")
            except BaseException as error:
                self._roll_back(error)
                raise
            assert not self._connection.in_transaction
            self.unsynced = not full
            if full:
                # Looked at last: what was replaced a moment before the commit is noticed as well.
                self.require_same_file()
            failpoints.point("journal.after_commit")

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one synced transaction of all those within the ``with`` block.

        Crash: everything in the block is recorded, or nothing.
        """
        with self.transaction(synced=True):
            self._together = True
            try:
                yield
            finally:
                self._together = False

    def execute(self, sql: str, **values: Any) -> sqlite3.Cursor:
        """Execute a statement within a transaction."""
        return self._connection.execute(sql, values)

    def many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Execute a statement within a transaction for each row of parameters."""
        self._connection.executemany(sql, rows)

    def rewrite_header(self) -> None:
        """Write one page within a transaction: one that changes nothing would sync nothing."""
        self._connection.execute(f"PRAGMA user_version = {marks.SCHEMA_VERSION}")

    def read(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        self._require_process()
        with reported(self._file):
            return self.execute(sql, **values).fetchall()

    @contextmanager
    def reading(self) -> Iterator[Pages]:
        """Give what reads pages of items."""
        self._require_process()
        with reported(self._file):
            yield self._pages

    def fold(self) -> None:
        """Fold the log back into the file, as far as readers allow."""
        with reported(self._file):
            failpoints.point("journal.before_fold")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            failpoints.point("journal.after_fold")

    def close(self) -> None:
        """Close the connection, in the process that opened it."""
        self._require_process()
        self.closed = True
        self._connection.close()

    def require_usable(self) -> None:
        """Refuse another process, and everything after an error that cannot be repaired.

        Raises:
            JournalUnavailable: One of the two is the case.
        """
        self._require_process()
        if self._given_up is not None:
            raise JournalUnavailable(str(self._file), self._given_up)

    def require_same_file(self) -> None:
        """Refuse to go on when the names of the file and its log lead elsewhere.

        Raises:
            JournalUnavailable: One was deleted or replaced: what is written would be lost.
        """
        for name, identity in self._identities.items():
            if _identity(name) != identity:
                what = "the file" if name == self._file else f"its log {name.name}"
                remedy = "put it back and start again" if name == self._file else "start again"
                reason = f"{what} was deleted or replaced while in use: {remedy}"
                raise JournalUnavailable(str(self._file), reason)

    def _take_over(self) -> int:
        """Raise the epoch, before anything is read that another writer might still change.

        Nobody needs that on the disk: a power cut ends the other one as well.

        Crash: the epoch is raised, which ends no run but one that should not be, or it is not.
        """
        failpoints.point("journal.before_take_over")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("BEGIN IMMEDIATE")
        self.execute(changes.TAKE_OVER, **peer_values(this_process()))
        epoch = self._recorded_epoch()
        self._connection.execute("COMMIT")
        failpoints.point("journal.after_take_over")
        return epoch

    def _recorded_epoch(self) -> int:
        return int(self._connection.execute(queries.EPOCH).fetchone()[0])

    def _require_turn(self) -> None:
        """Refuse to record anything once another writer has opened the journal.

        The lock of the transaction is held, so nobody else can open it before the commit.

        Raises:
            JournalUnavailable: Another one has.
        """
        if self._recorded_epoch() != self._epoch:
            writer = peer_from(self.execute(queries.WRITER).fetchone())
            reason = (
                f"{writer} has opened it while this run was at work, so nothing "
                "more is recorded here: end one of the two, then run its script again"
            )
            raise JournalUnavailable(str(self._file), reason)

    def _begin(self, *, full: bool, bulky: bool) -> None:
        if full != self._full:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            self._full = full
        if bulky != self._bulky:
            size = _CHECKPOINT_BYTES_BULKY if bulky else _CHECKPOINT_BYTES
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {size // self._page_bytes}")
            self._bulky = bulky
        self._connection.execute("BEGIN IMMEDIATE")
        assert self._connection.in_transaction

    def _roll_back(self, error: BaseException) -> None:
        if is_final(error):
            self._given_up = f"nothing more is recorded after an earlier error ({error})"
        # SQLite has rolled back by itself after some errors, and not after others.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _configure(self) -> None:
        run = self._connection.execute
        mode = run("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            reason = f"its file system allows journal mode {mode!r} only: move it to a local disk"
            raise JournalUnavailable(str(self._file), reason)
        run("PRAGMA foreign_keys = ON")
        self._page_bytes: int = run("PRAGMA page_size").fetchone()[0]
        run(f"PRAGMA journal_size_limit = {_LOG_BYTES_KEPT}")
        run(f"PRAGMA cache_spill = {_UNCOMMITTED_BYTES // self._page_bytes}")
        if sys.platform == "darwin":
            # There, a plain fsync leaves the data in the drive's own memory.
            run("PRAGMA fullfsync = 1")

    def _require_process(self) -> None:
        if os.getpid() != self._pid:
            reason = f"process {self._pid} opened it, and no other may use that connection"
            raise JournalUnavailable(str(self._file), reason)


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - half the time, and asked with each synced commit
    except OSError:
        return None
    return found.st_dev, found.st_ino
