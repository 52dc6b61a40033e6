"""Rules: a sentence, with ``{}`` for how many rows break it, and a query of the keys of these.

That an item is put can be told from its queue's counter: `contents` compares that with the blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from persistq.items import ITEMS_PER_QUEUE_MAX, QUEUE_SHIFT

if TYPE_CHECKING:
    import sqlite3

    from persistq.journal.soundness.findings import Findings


def check_rules(
    connection: sqlite3.Connection, rules: Mapping[str, str], findings: Findings
) -> None:
    """Look for rows that break rules."""
    for sentence, query in rules.items():
        text = f"WITH wrong (it) AS ({query}) SELECT count(*), min(it) FROM wrong"
        count, first = connection.execute(text).fetchone()
        if count:
            findings.add(sentence, first, count)


def queue(item: str) -> str:
    """Return SQL for the queue of an item."""
    return f"({item} >> {QUEUE_SHIFT})"


def number(item: str) -> str:
    """Return SQL for the number of an item in its queue."""
    return f"({item} & {ITEMS_PER_QUEUE_MAX})"


def is_put(item: str) -> str:
    """Return SQL for whether there is such an item."""
    return f"""EXISTS (SELECT 1 FROM queue WHERE queue_id = {queue(item)}
        AND {number(item)} BETWEEN 1 AND next_n - 1)"""


def outcome(item: str) -> str:
    """Return SQL for how an item has ended; NULL if it has not."""
    return f"""(SELECT CASE WHEN last_id >= {item} THEN outcome END FROM done_range
        WHERE first_id <= {item} ORDER BY first_id DESC LIMIT 1)"""


def load_of(item: str) -> str:
    """Return SQL for the load of an item."""
    return f"(SELECT load_id FROM queue WHERE queue_id = {queue(item)})"


def is_fed(item: str, made: str) -> str:
    """Return SQL for whether an item may have been made of another one, by their stages."""
    return f"""EXISTS (SELECT 1 FROM route WHERE queue_id = {queue(item)}
        AND target_id = {queue(made)} AND kind <> 'ends')"""


def is_purged(item: str) -> str:
    """Return SQL for whether rows of an item's load may be gone."""
    return f"""EXISTS (SELECT 1 FROM queue JOIN load USING (load_id)
        WHERE queue_id = {queue(item)} AND purged_at IS NOT NULL)"""


def previous(table: str, key: str, column: str, before: str) -> str:
    """Return SQL for what the row before has in a column."""
    return f"""(SELECT {column} FROM {table}
        WHERE {key} < {before} ORDER BY {key} DESC LIMIT 1)"""
