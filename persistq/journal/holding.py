"""Opening a journal for writing outside of a run, and removing one of which nothing is left."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from persistq import failpoints
from persistq.errors import JournalBusy, JournalMissing, JournalUnavailable
from persistq.journal import marks
from persistq.journal.connection import connect
from persistq.journal.faults import reported
from persistq.journal.ground import examine
from persistq.journal.sqlite import SqliteJournal, open_journal
from persistq.site.processes import this_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persistq.site.base import Site

_READERS_S: Final = 0.05
"""How long to wait for those who only look."""


@contextmanager
def held(site: Site) -> Iterator[SqliteJournal]:
    """Open a journal while no run is at work on it, as a broker would; then nobody can begin one.

    Crash: the kernel releases it; what was recorded stays.

    Args:
        site: Where it is. It is let go of when the ``with`` block ends.

    Raises:
        JournalBusy: A broker, or a worker of one that died, is at work on it.
        JournalMissing: There is none; nothing is created.
        JournalError: It cannot be used, or has to be upgraded first, which only a run does.
    """
    file = Path(site.journal)
    _require_present(*examine(file))
    lock = site.lock()
    with reported(file):
        if not lock.acquire():
            raise _busy(site)
        try:
            # Once more: it may have been removed a moment ago.
            _require_present(*examine(file))
            fence = site.fence()
            if not lock.claim(0.0) or not fence.wait_clear(0.0):
                raise _busy(site)
            with closing(open_journal(file)) as journal:
                yield journal
        finally:
            lock.release()


def remove_if_bare(site: Site, journal: SqliteJournal) -> bool:
    """Remove a journal of which nothing is left but counters, with the files beside it.

    Crash: the journal is there whole, or only files beside it are left, which say nothing.

    Args:
        site: Where it is.
        journal: The journal as `held` has given it; it is closed if it is removed.

    Returns:
        False if something is left, or somebody looks at it: then it stays.
    """
    if not journal.is_bare():
        return False
    journal.close()
    file = Path(site.journal)
    with reported(file), closing(connect(file, "rw")) as connection:
        connection.execute(f"PRAGMA busy_timeout = {int(_READERS_S * 1000)}")
        try:
            # Both fail while anybody else has it open, and both leave it a journal.
            if connection.execute("PRAGMA journal_mode = DELETE").fetchone() != ("delete",):
                return False
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            return False
        failpoints.point("retention.before_removal")
        site.remove()
        failpoints.point("retention.after_removal")
    return True


def _require_present(file: Path, version: int | None) -> None:
    if version is None:
        raise JournalMissing(str(file), "there is no journal here")
    if version < marks.SCHEMA_VERSION:
        reason = f"an older persistq wrote it (schema {version}): run its script to upgrade it"
        raise JournalUnavailable(str(file), reason)


def _busy(site: Site) -> JournalBusy:
    holder = site.holder()
    pid, node = (holder.peer.pid, holder.peer.node) if holder else (0, this_node())
    return JournalBusy(site.journal, pid, node)
