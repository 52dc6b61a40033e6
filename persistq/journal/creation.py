"""How a journal comes into being: whole, or not at all."""

from __future__ import annotations

import glob
import os
import tempfile
import uuid
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from persistq import failpoints
from persistq.journal import changes, marks, schema
from persistq.journal.connection import connect, fsync
from persistq.journal.faults import reported
from persistq.journal.rows import now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

_PAGE_BYTES: Final = 16 << 10
"""Small items cost the same as with SQLite's 4 KiB when measured, large ones a quarter less."""


def create(path: Path) -> None:
    """Make a new, empty journal, readable by its owner only.

    Crash: it is built under another name and renamed when it is complete, so a journal that exists
    is whole; a hidden file beside it is left over until the next try.

    Args:
        path: Where there is nothing yet, or a file of no bytes.

    Raises:
        JournalUnavailable: The directory cannot be made or written.
    """
    with reported(path):
        make_directory(path.parent)
        with draft_of(path) as draft, closing(connect(draft, "rw")) as connection:
            _build(connection)


def make_directory(directory: Path) -> None:
    """Make a directory for its owner only, whatever the umask; one that exists is left as it is."""
    if not directory.is_dir():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """Give an empty file to fill, readable by its owner only, which then takes the path's place.

    The caller holds the run lock of the name: a draft that lies there is of somebody dead.

    Crash: the path leads to what was there before or to the complete new file, also after a power
    cut; a hidden file beside it is left over until the next try.
    """
    for abandoned in path.parent.glob(f".{glob.escape(path.name)}.*.new*"):
        abandoned.unlink(missing_ok=True)
    descriptor, name = tempfile.mkstemp(".new", f".{path.name}.", path.parent)
    os.close(descriptor)
    draft = Path(name)
    try:
        draft.chmod(0o600)
        yield draft
        fsync(draft)
        failpoints.point("journal.before_rename")
        draft.rename(path)
        failpoints.point("journal.after_rename")
        fsync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def stamp(connection: sqlite3.Connection, number: int) -> None:
    """Mark a database as a journal of a schema version, within the caller's transaction."""
    connection.execute(f"PRAGMA application_id = {marks.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {number}")


def lay_out(connection: sqlite3.Connection) -> None:
    """Choose how an empty file is laid out; one with anything in it stays as it is."""
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    # What is given up goes back to the file system, some pages at a time.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")


def _build(connection: sqlite3.Connection) -> None:
    lay_out(connection)
    # Nobody knows the draft's name yet, so it needs no protection against a crash.
    connection.execute("PRAGMA journal_mode = MEMORY")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN IMMEDIATE")
    for text in (*schema.TABLES, *schema.TRIGGERS, *schema.VIEWS):
        connection.execute(text)
    identity = {"uuid": uuid.uuid4().hex, "created_at": now()}
    connection.execute(changes.BEGIN_JOURNAL, identity)
    revision = marks.revision_of(marks.SCHEMA_VERSION)
    connection.execute(changes.MARK_REVISION, {"revision": revision})
    stamp(connection, marks.SCHEMA_VERSION)
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
