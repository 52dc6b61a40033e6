"""Queues against what they count: items, ends, seals, and the state of their load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from persistq.items import QUEUE_SHIFT
from persistq.journal.pages import SPOOL_SHIFT

if TYPE_CHECKING:
    import sqlite3

SHOWN_MAX: Final = 5
"""Most queues that are named for one kind of contradiction."""

_IN_QUEUE: Final = f"""
    BETWEEN (q.queue_id << {QUEUE_SHIFT}) AND (q.queue_id + 1 << {QUEUE_SHIFT}) - 1"""


def _counted(column: str, found: str) -> str:
    """Return a query of the queues that count something else than there is.

    A purged load has kept its counters, and some of what they count.
    """
    return f"""
        SELECT queue_id, name, found, said FROM (
            SELECT q.queue_id, q.name, ({found}) AS found, {column} AS said, purged_at
            FROM queue AS q JOIN load USING (load_id)
        ) WHERE found > said OR (found < said AND purged_at IS NULL)"""


def _ended(outcome: int) -> str:
    # A sum that overflows is an error, and `total` is exact as far as there can be items.
    return f"""
        SELECT CAST(total(last_id - first_id + 1.0) AS INTEGER) FROM done_range
        WHERE first_id {_IN_QUEUE} AND outcome = {outcome}"""


_PUT: Final = f"""
    SELECT CAST(total(count) AS INTEGER) FROM put_block WHERE first_id {_IN_QUEUE}"""
_BYTES: Final = f"""
    SELECT CAST(total(length(data)) + total((
        SELECT total(length(s.data)) FROM spool_block AS s WHERE b.spool_id IS NOT NULL
        AND s.place >= b.spool_id << {SPOOL_SHIFT} AND s.place < b.spool_id + 1 << {SPOOL_SHIFT}
    )) AS INTEGER) FROM put_block AS b WHERE first_id {_IN_QUEUE}"""
_PARKED: Final = f"SELECT count(*) FROM parked WHERE item_id {_IN_QUEUE}"
_LEFT: Final = "next_n - 1 - done - dropped - parked"

COUNTERS: Final = {
    "put_block has {2:,} items, next_n says {3:,}": _counted("next_n - 1", _PUT),
    "its items have {2:,} bytes, its counters say {3:,}": _counted("bytes", _BYTES),
    "{2:,} items are done, its counters say {3:,}": _counted("done", _ended(0)),
    "{2:,} items are dropped, its counters say {3:,}": _counted("dropped", _ended(1)),
    "{2:,} items are parked, its counters say {3:,}": f"""
        SELECT queue_id, name, ({_PARKED}) AS found, parked FROM queue AS q
        WHERE found <> parked""",
    "its counters are negative, or more than its items": f"""
        SELECT queue_id, name FROM queue
        WHERE min(next_n - 1, done, dropped, parked, {_LEFT}) < 0""",
    "it was sealed with {2:,} items and has {3:,}": """
        SELECT queue_id, name, sealed_total, next_n - 1 FROM queue
        WHERE sealed_total <> next_n - 1""",
    "it is sealed, and queue {2} before it may still feed it": f"""
        SELECT q.queue_id, q.name, min(e.queue_id) FROM queue AS q
        JOIN route AS r ON r.target_id = q.queue_id JOIN queue AS e ON e.queue_id = r.queue_id
        WHERE q.sealed_total IS NOT NULL
        AND (e.sealed_total IS NULL OR (SELECT {_LEFT} FROM queue AS l
            WHERE l.queue_id = e.queue_id) > 0)
        GROUP BY q.queue_id""",
    "its load is settled, and {2:,} items are outstanding": f"""
        SELECT queue_id, name, {_LEFT} AS rest FROM queue JOIN load USING (load_id)
        WHERE state = 'settled' AND rest > 0""",
    "its load is settled, and it is not sealed": """
        SELECT queue_id, name FROM queue JOIN load USING (load_id)
        WHERE state = 'settled' AND sealed_total IS NULL""",
}


def check_counters(connection: sqlite3.Connection) -> Iterator[str]:
    """Say which queues contradict what is recorded of their items, or their load."""
    for sentence, query in COUNTERS.items():
        rows = connection.execute(f"{query} ORDER BY 1")
        for queue_id, name, *numbers in rows.fetchmany(SHOWN_MAX):
            where = f"queue {queue_id} ({name.decode(errors='backslashreplace')})"
            yield f"{where}: {sentence.format(queue_id, name, *numbers)}"
        if more := sum(1 for _ in rows):
            yield f"the same of {more:,} more queues"
