"""The rows of one batch of turbo-queue: a SQLite file with a table ``logs(log_data json)``.

The file may be anything, and whoever wrote it may be dead. It is opened read-only where it lies,
and nothing is written beside it. What SQLite would have to repair first is copied, and the copy is.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from persistq.errors import ItemNotStorable
from persistq.folder.rowlines import row_line
from persistq.imports.turbofiles import OldBatch, open_regular
from persistq.text.terminal import text_of

_MAGIC: Final = b"SQLite format 3\0"
_HEADER_BYTES: Final = 100
_WRITE_VERSION: Final = 18
_WAL: Final = 2

_JOURNAL_MAGIC: Final = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"

_TABLE: Final = (
    "SELECT count(*) FROM sqlite_master WHERE name = 'logs' AND type = 'table' AND rootpage"
)
_COLUMNS: Final = "SELECT name FROM pragma_table_xinfo('logs') WHERE NOT hidden"
_ROWS: Final = "SELECT rowid, log_data FROM main.logs ORDER BY rowid"

_BUSY_S: Final = 5.0


class BatchUnreadable(Exception):
    """A file is no batch of turbo-queue, or is damaged; its text says what is wrong."""


class BatchChanged(Exception):
    """A file was written to while it was read: what has been read may be half of it."""


class RowUnreadable(Exception):
    """A row is no JSON value.

    Attributes:
        number: Its rowid.
        reason: What is wrong.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(number, reason)
        self.number = number
        self.reason = reason


def read(batch: OldBatch) -> Iterator[bytes | RowUnreadable]:
    """Yield the rows of a batch in order, each as a line of JSON, or what is wrong with it.

    Raises:
        BatchUnreadable: It is no batch, or damaged; rows before the damage have been yielded.
        BatchChanged: Somebody writes to it: none of these rows should count.
    """
    try:
        with _opened(batch) as database:
            _require_table(database)
            for number, stored in database.execute(_ROWS):
                yield _line(int(number), stored)
    except sqlite3.Error as error:
        raise BatchUnreadable(f"SQLite cannot read it: {text_of(error)}") from error
    except OSError as error:
        raise BatchUnreadable(f"it cannot be read: {error.strerror}") from error
    if _look(batch.path) != batch.mark:
        raise BatchChanged


def _line(number: int, stored: Any) -> bytes | RowUnreadable:
    try:
        return row_line(_value(stored))
    except (ValueError, RecursionError, ItemNotStorable) as error:
        return RowUnreadable(number, text_of(error))


def _value(stored: Any) -> Any:
    """Return what was put.

    SQLite keeps a text that is a number as a number in this column, so ``1`` was the text of it.

    Raises:
        ValueError: It is nothing that turbo-queue has written.
    """
    if isinstance(stored, bytes):
        return json.loads(stored.decode())
    if stored is None:
        raise ValueError("it is NULL")
    return stored


@contextmanager
def _opened(batch: OldBatch) -> Iterator[sqlite3.Connection]:
    if batch.beside() or _is_wal(_header(batch.path)):
        with tempfile.TemporaryDirectory(prefix="persistq-import-") as scratch:
            copy = Path(scratch, "batch.db")
            _copy(batch, copy)
            with _connected(copy, "rw") as database:
                yield database
    else:
        with _connected(batch.path, "ro") as database:
            yield database


def _header(path: Path) -> bytes:
    file = open_regular(path)
    try:
        header = os.read(file, _HEADER_BYTES)
    finally:
        os.close(file)
    if not header:
        raise BatchUnreadable("it is empty")
    if not header.startswith(_MAGIC):
        raise BatchUnreadable("it is no SQLite database")
    return header


def _is_wal(header: bytes) -> bool:
    return _WAL in header[_WRITE_VERSION : _WRITE_VERSION + 2]


def _copy(batch: OldBatch, copy: Path) -> None:
    """Copy a file with what SQLite needs to repair it."""
    _header(batch.path)
    _copy_file(batch.path, copy)
    for end in ("-journal", "-wal"):
        if end in batch.beside():
            _copy_file(Path(f"{batch.path}{end}"), Path(f"{copy}{end}"))
    _require_alone(Path(f"{copy}-journal"))


def _copy_file(source: Path, target: Path) -> None:
    with os.fdopen(open_regular(source), "rb") as read, target.open("xb") as written:
        shutil.copyfileobj(read, written)


def _require_alone(journal: Path) -> None:
    """Refuse a journal that names another file, which SQLite would read, and perhaps delete.

    Raises:
        BatchUnreadable: It does. turbo-queue, which writes one file at a time, never writes such.
    """
    if journal.exists() and _tail_of(journal) == _JOURNAL_MAGIC:
        raise BatchUnreadable("its journal names another file, as those of turbo-queue never do")


def _tail_of(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(_JOURNAL_MAGIC)))
        return file.read()


@contextmanager
def _connected(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    uri = f"file:{quote(os.fsencode(path))}?mode={mode}"
    with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_S)) as database:
        # As bytes, so that text which is none is one row's matter.
        database.text_factory = bytes
        database.execute("PRAGMA trusted_schema = OFF")
        yield database


def _require_table(database: sqlite3.Connection) -> None:
    """Refuse another schema: a view could be a program that never ends."""
    (tables,) = database.execute(_TABLE).fetchone()
    columns = [name for (name,) in database.execute(_COLUMNS)] if tables else []
    if b"log_data" not in columns:
        raise BatchUnreadable("it has no table logs with a column log_data")


def _look(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
