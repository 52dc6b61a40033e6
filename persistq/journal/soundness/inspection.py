"""Looking at all of a journal, in one snapshot, so that it may be written meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from persistq.errors import JournalMissing, JournalUnavailable
from persistq.journal import marks
from persistq.journal.connection import canonical, open_to_read, schema_version, size_of
from persistq.journal.faults import reported
from persistq.journal.mounts import require_not_mounted
from persistq.journal.queuerow import QueueRow
from persistq.journal.soundness.columns import check_columns
from persistq.journal.soundness.contents import (
    check_blocks,
    check_checkpoints,
    check_cursors,
    check_params,
)
from persistq.journal.soundness.counters import check_counters
from persistq.journal.soundness.file import check_marks, check_pages, check_schema
from persistq.journal.soundness.findings import Findings
from persistq.journal.soundness.naturalkeys import check_natural_keys
from persistq.journal.soundness.records import check_records
from persistq.journal.soundness.spools import check_spools
from persistq.site.ownership import require_own

if TYPE_CHECKING:
    import sqlite3

_STAGES: Final = """
    SELECT state, queue_id, q.load_id, position, name, next_n, done, dropped, parked, sealed_total,
        bytes
    FROM queue AS q JOIN load USING (load_id) ORDER BY queue_id"""


class Inspection(NamedTuple):
    """What `inspect_journal` has found, all of it in one snapshot.

    Attributes:
        stages: The queues of all loads with their counters, and what their loads say of their
            state.
        problems: One sentence for each kind of contradiction.
    """

    stages: list[tuple[QueueRow, str]]
    problems: list[str]


def check_journal(path: str | os.PathLike[str]) -> list[str]:
    """Return everything in which a journal contradicts itself; nothing if it is sound.

    All of ``docs/journal.md``, "What always holds", is checked: that the file is whole and has
    nothing of others in it, that blocks are what was encoded and follow each other without gaps,
    that each item ever put is exactly one of outstanding, done, dropped and parked, that counters
    equal what they count, that every row fits the rows that it names, and those that name it. The
    journal is only read, and a pickle never loaded.

    Example:
        >>> assert check_journal(".persistq/sales.db") == []    # doctest: +SKIP

    Args:
        path: The journal file; its broker may be at work.

    Returns:
        One sentence for each kind of contradiction.

    Raises:
        JournalMissing: There is no such file.
        JournalError: The file cannot be read, or is no journal of this version of persistq.
    """
    return inspect_journal(path).problems


def inspect_journal(path: str | os.PathLike[str]) -> Inspection:
    """Check a journal like `check_journal`, and return its counters too.

    Args:
        path: The journal file.

    Raises:
        JournalMissing: There is no such file.
        JournalError: The file cannot be read, or is no journal of this version of persistq.
    """
    file = canonical(Path(path))
    require_own(file)
    require_not_mounted(file)
    if not size_of(file):
        raise JournalMissing(str(file), "there is no journal here")
    if (version := schema_version(file)) < marks.SCHEMA_VERSION:
        reason = f"an older persistq wrote it (schema {version}): run its script to upgrade it"
        raise JournalUnavailable(str(file), reason)
    with reported(file), closing(open_to_read(file)) as connection:
        # What a schema says is not believed before it is compared; nor are texts to be UTF-8.
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.text_factory = bytes
        connection.execute("BEGIN")
        if problems := [*check_schema(connection)] or [*check_pages(connection)]:
            return Inspection([], [*problems, "so nothing else was looked at"])
        return Inspection([*_stages(connection)], [*_problems(connection)])


def _problems(connection: sqlite3.Connection) -> Iterator[str]:
    yield from check_marks(connection)
    findings = Findings()
    check_columns(connection, findings)
    check_records(connection, findings)
    check_blocks(connection, findings)
    check_params(connection, findings)
    check_cursors(connection, findings)
    check_checkpoints(connection, findings)
    check_spools(connection, findings)
    check_natural_keys(connection, findings)
    yield from findings.sentences()
    yield from check_counters(connection)


def _stages(connection: sqlite3.Connection) -> Iterator[tuple[QueueRow, str]]:
    for state, *columns in connection.execute(_STAGES):
        row = QueueRow(*columns)
        row.name = columns[3].decode(errors="backslashreplace")
        yield row, state.decode(errors="backslashreplace")
