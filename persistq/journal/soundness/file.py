"""The file: whole, marked as a journal, with our tables and triggers and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from persistq.journal import marks, schema

if TYPE_CHECKING:
    import sqlite3

LINES_MAX: Final = 10
"""Most sentences about damage, or about the schema: they have one cause."""

_NAME: Final = re.compile(r"CREATE (?:UNIQUE )?(\w+) (\w+)")
_SCHEMA: Final = "SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL"
_OF_SQLITE: Final = ("sqlite_sequence", "table", "CREATE TABLE sqlite_sequence(name,seq)")
_INCREMENTAL: Final = 2


def check_schema(connection: sqlite3.Connection) -> Iterator[str]:
    """Say what is in the file that is not ours, or lacks, or is not as it was made.

    With another schema statements may not mean what they say: look at nothing else then.
    """
    found = {_text(name): (_text(kind), _text(sql)) for name, kind, sql in _rows(connection)}
    wanted = _wanted()
    for name, (kind, sql) in found.items():
        if name not in wanted:
            yield f"{kind} {name} is not part of a journal"
        elif wanted[name] != (kind, sql):
            yield f"{kind} {name} is not as it was made"
    for name, (kind, _) in wanted.items():
        if name not in found:
            yield f"{kind} {name} is missing"


def check_marks(connection: sqlite3.Connection) -> Iterator[str]:
    """Say which of the marks that every journal has are others here."""
    revisions = [_text(row) for (row,) in connection.execute("SELECT * FROM alembic_version")]
    if revisions != [marks.revision_of(marks.SCHEMA_VERSION)]:
        yield f"alembic_version does not say {marks.revision_of(marks.SCHEMA_VERSION)}"
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:
        yield "auto_vacuum is not incremental, so space is never given back"


def check_pages(connection: sqlite3.Connection) -> Iterator[str]:
    """Say what SQLite finds: damaged pages, indexes unlike their tables, values of wrong types.

    A statement on such a file may fail: look at nothing else then.
    """
    for (line,) in connection.execute(f"PRAGMA integrity_check({LINES_MAX})"):
        if _text(line) != "ok":
            yield f"integrity_check: {_text(line)}"


def _rows(connection: sqlite3.Connection) -> sqlite3.Cursor:
    return connection.execute(_SCHEMA)


def _wanted() -> dict[str, tuple[str, str]]:
    name, kind, sql = _OF_SQLITE
    wanted = {name: (kind, sql)}
    for text in (*schema.TABLES, *schema.TRIGGERS, *schema.VIEWS):
        kind, name = _NAME.match(text).groups()  # type: ignore[union-attr]
        wanted[name] = (kind.lower(), text)
    return wanted


def _text(value: object) -> str:
    # A text comes as its bytes, because one that is no UTF-8 could not be read otherwise.
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
