"""Proof that a journal does not contradict itself; public as `persistq.testing.check_journal`.

Everything is counted inside SQLite, in one snapshot, so it works on a journal of any size, also
while its broker writes.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from persistq.errors import JournalMissing
from persistq.items import QUEUE_SHIFT, item_id_of
from persistq.journal.base import LoadState, QueueRow
from persistq.journal.connection import canonical, open_to_read, size_of
from persistq.journal.faults import reported
from persistq.journal.mounts import require_not_mounted
from persistq.journal.pages import queue_range
from persistq.site.ownership import require_own

_STRAYS: Final = {
    "done_log has {} rows that put_log lacks": """
        SELECT count(*) FROM done_log AS d
        WHERE NOT EXISTS (SELECT 1 FROM put_log AS p WHERE p.item_id = d.item_id)""",
    "parked has {} rows that put_log lacks": """
        SELECT count(*) FROM parked AS k
        WHERE NOT EXISTS (SELECT 1 FROM put_log AS p WHERE p.item_id = k.item_id)""",
    "{} items are both in done_log and in parked": """
        SELECT count(*) FROM parked JOIN done_log USING (item_id)""",
    "done_log has {} rows with an outcome that does not exist": """
        SELECT count(*) FROM done_log WHERE outcome NOT IN (0, 1)""",
    "drop_reason has {} rows of items that were not dropped": """
        SELECT count(*) FROM drop_reason AS r WHERE NOT EXISTS (
            SELECT 1 FROM done_log AS d WHERE d.item_id = r.item_id AND d.outcome = 1
        )""",
    "param has {} rows of loads that do not exist": """
        SELECT count(*) FROM param AS p
        WHERE NOT EXISTS (SELECT 1 FROM load AS l WHERE l.load_id = p.load_id)""",
    "put_log has {} rows of queues that do not exist": f"""
        SELECT count(*) FROM put_log AS p
        WHERE NOT EXISTS (
            SELECT 1 FROM queue AS q WHERE q.queue_id = p.item_id >> {QUEUE_SHIFT}
        )""",  # noqa: S608
    "failure has {} rows of items that put_log lacks": """
        SELECT count(*) FROM failure AS f
        WHERE NOT EXISTS (SELECT 1 FROM put_log AS p WHERE p.item_id = f.item_id)""",
    "{} runs have a result without an end, or an end without a result": """
        SELECT count(*) FROM run WHERE (ended_at IS NULL) <> (result IS NULL)""",
    "{} runs have a uuid that is none": """
        SELECT count(*) FROM run WHERE length(uuid) <> 32 OR uuid GLOB '*[^0-9a-f]*'""",
    "put_span has {} rows whose run and queue are not of one load": """
        SELECT count(*) FROM put_span AS s
        WHERE NOT EXISTS (
            SELECT 1 FROM queue AS q JOIN run AS r USING (load_id)
            WHERE q.queue_id = s.queue_id AND r.run_id = s.run_id
        )""",
    "put_span has {} rows that begin behind the last item": """
        SELECT count(*) FROM put_span JOIN queue USING (queue_id) WHERE put_before >= next_n""",
    "put_span has {} rows whose runs are out of order": """
        SELECT count(*) FROM (
            SELECT run_id, lag(run_id) OVER (PARTITION BY queue_id ORDER BY put_before) AS earlier
            FROM put_span
        ) WHERE run_id <= earlier""",
    "{} queues have items of which it is not recorded which run put them": """
        SELECT count(*) FROM queue AS q WHERE next_n > 1 AND NOT EXISTS (
            SELECT 1 FROM put_span AS s WHERE s.queue_id = q.queue_id AND put_before = 0
        )""",
    "{} queues have a last span that is not of the latest run of their load": """
        SELECT count(*) FROM queue AS q JOIN (
            SELECT queue_id, max(run_id) AS last FROM put_span GROUP BY queue_id
        ) USING (queue_id)
        WHERE last <> (SELECT max(run_id) FROM run AS r WHERE r.load_id = q.load_id)""",
    "{} loads have a state that contradicts their end": """
        SELECT count(*) FROM load WHERE (ended_at IS NULL) <> (state IN ('open', 'reopened'))""",
}

_QUEUES: Final = """
    SELECT queue_id, q.load_id, position, name, next_n, done, dropped, parked, sealed_total, state
    FROM queue AS q JOIN load USING (load_id) ORDER BY queue_id"""

_PUT: Final = """
    SELECT count(*), coalesce(min(item_id), 0), coalesce(max(item_id), 0) FROM put_log
    WHERE item_id > ? AND item_id <= ?"""

_ENDED: Final = """
    SELECT count(*) FROM done_log WHERE item_id > ? AND item_id <= ? AND outcome = ?"""

_PARKED: Final = "SELECT count(*) FROM parked WHERE item_id > ? AND item_id <= ?"

_OUTSTANDING: Final = """
    SELECT count(*) FROM put_log AS p WHERE item_id > ? AND item_id <= ?
    AND NOT EXISTS (SELECT 1 FROM done_log AS d WHERE d.item_id = p.item_id)
    AND NOT EXISTS (SELECT 1 FROM parked AS k WHERE k.item_id = p.item_id)"""


def check_journal(path: str | os.PathLike[str]) -> list[str]:
    """Return everything in which a journal contradicts itself; nothing if it is sound.

    Checked are the file itself, that each item ever put is exactly one of outstanding, done,
    dropped and parked, that items are numbered without gaps, that it is recorded which run put
    each, that the counters of each queue equal what they count, and that nothing is outstanding in
    a settled load. The journal is only read.

    Example:
        >>> assert check_journal(".persistq/sales.db") == []    # doctest: +SKIP

    Args:
        path: The journal file; its broker may be at work.

    Returns:
        One sentence for each contradiction.

    Raises:
        JournalMissing: There is no such file.
        JournalError: The file cannot be read.
    """
    return inspect_journal(path).problems


class Inspection(NamedTuple):
    """What `inspect_journal` has found, all of it in one snapshot.

    Attributes:
        queues: The queues of all loads with their counters, and the states of their loads.
        problems: One sentence for each contradiction.
    """

    queues: list[tuple[QueueRow, LoadState]]
    problems: list[str]


def inspect_journal(path: str | os.PathLike[str]) -> Inspection:
    """Check a journal like `check_journal`, and return its counters too.

    Args:
        path: The journal file.

    Raises:
        JournalMissing: There is no such file.
        JournalError: The file cannot be read.
    """
    file = canonical(Path(path))
    require_own(file)
    require_not_mounted(file)
    if not size_of(file):
        raise JournalMissing(str(file), "there is no journal here")
    with reported(file), closing(open_to_read(file)) as connection:
        connection.execute("BEGIN")
        queues = list(_rows(connection))
        problems = [
            *_damage(connection),
            *_strays(connection),
            *(problem for row in queues for problem in _queue(connection, *row)),
        ]
        return Inspection(queues, problems)


def _damage(connection: sqlite3.Connection) -> list[str]:
    lines = [str(line) for (line,) in connection.execute("PRAGMA quick_check")]
    return [] if lines == ["ok"] else [f"quick_check: {line}" for line in lines]


def _strays(connection: sqlite3.Connection) -> Iterator[str]:
    for sentence, query in _STRAYS.items():
        if number := _count(connection, query):
            yield sentence.format(f"{number:,}")


def _rows(connection: sqlite3.Connection) -> Iterator[tuple[QueueRow, LoadState]]:
    for *columns, state in connection.execute(_QUEUES):
        yield QueueRow(*columns), LoadState(state)


def _queue(connection: sqlite3.Connection, row: QueueRow, state: LoadState) -> Iterator[str]:
    where = f"queue {row.queue_id} ({row.name}): "
    for problem in (
        *_numbering(connection, row),
        *_counters(connection, row),
        *_settlement(row, state),
    ):
        yield where + problem


def _numbering(connection: sqlite3.Connection, row: QueueRow) -> Iterator[str]:
    number, first, last = connection.execute(_PUT, queue_range(row.queue_id)).fetchone()
    if number != row.put:
        yield f"put_log has {number:,} items, next_n says {row.put:,}"
    if number and (first, last) != (item_id_of(row.queue_id, 1), item_id_of(row.queue_id, number)):
        yield f"its {number:,} items are not numbered from 1 without gaps"
    if row.sealed_total is not None and row.sealed_total != number:
        yield f"it was sealed with {row.sealed_total:,} items and has {number:,}"


def _counters(connection: sqlite3.Connection, row: QueueRow) -> Iterator[str]:
    ids = queue_range(row.queue_id)
    counted = {
        "done": (row.done, _count(connection, _ENDED, *ids, 0)),
        "dropped": (row.dropped, _count(connection, _ENDED, *ids, 1)),
        "parked": (row.parked, _count(connection, _PARKED, *ids)),
        "outstanding": (row.outstanding, _count(connection, _OUTSTANDING, *ids)),
    }
    for what, (said, found) in counted.items():
        if said != found:
            yield f"{found:,} items are {what}, its counters say {said:,}"


def _settlement(row: QueueRow, state: LoadState) -> Iterator[str]:
    if state is LoadState.SETTLED and row.outstanding:
        yield f"its load is settled, and {row.outstanding:,} items are outstanding"
    if state is LoadState.SETTLED and row.sealed_total is None:
        yield "its load is settled, and it is not sealed"


def _count(connection: sqlite3.Connection, query: str, *values: int) -> int:
    return int(connection.execute(query, values).fetchone()[0])
