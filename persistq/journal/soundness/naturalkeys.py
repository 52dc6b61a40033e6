"""Natural keys: each item of a queue that has such, no two alike; and what is noted as done."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final
from zlib import crc32

from persistq.blocks import DIGEST_BYTES, digest_at
from persistq.items import ITEMS_PER_QUEUE_MAX, QUEUE_SHIFT
from persistq.journal.digests import Digests
from persistq.journal.soundness.rules import check_rules, is_put, number, queue

if TYPE_CHECKING:
    import sqlite3

    from persistq.journal.soundness.findings import Findings

RULES: Final = {
    "put_block has {} blocks with natural keys in a queue that has none, or the reverse": f"""
        SELECT first_id FROM put_block JOIN queue ON queue_id = {queue("first_id")}
        WHERE keyed <> (digests IS NOT NULL)""",
    "put_block has {} blocks whose natural keys are more or fewer than its items": f"""
        SELECT first_id FROM put_block
        WHERE digests IS NOT NULL AND length(digests) <> count * {DIGEST_BYTES}""",
    "{} queues have left out items for natural keys that they have not": """
        SELECT queue_id FROM queue WHERE min(duplicates, skipped) < 0
        OR (keyed = 0 AND max(duplicates, skipped, once) > 0)""",
    "{} queues have noted more items than they have": """
        SELECT queue_id FROM queue WHERE noted NOT BETWEEN 0 AND next_n - 1""",
    "cursor has {} rows behind more that was left out than its queue has left out": """
        SELECT source_id FROM cursor AS c JOIN source USING (source_id)
        JOIN queue AS q USING (queue_id)
        WHERE c.duplicates NOT BETWEEN 0 AND q.duplicates
        OR c.skipped NOT BETWEEN 0 AND q.skipped""",
    "done_key has {} rows of what is no block of a queue with natural keys": f"""
        SELECT first_id FROM done_key WHERE NOT {is_put("first_id")}
        OR {queue("first_id")} NOT IN (SELECT queue_id FROM queue WHERE keyed = 1)""",
    "done_key has {} rows whose natural keys are none, or not whole": f"""
        SELECT first_id FROM done_key
        WHERE length(digests) = 0 OR length(digests) % {DIGEST_BYTES} <> 0""",
    "done_key has {} rows with more natural keys than its queue has items from there on": f"""
        SELECT first_id FROM done_key JOIN queue ON queue_id = {queue("first_id")}
        WHERE length(digests) / {DIGEST_BYTES} > next_n - {number("first_id")}""",
}

_DONE_KEYS: Final = "SELECT first_id, digests, crc FROM done_key"
# Where a file lies about its constraints there are others, which is told; ids of theirs are none.
_QUEUES: Final = """
    SELECT queue_id FROM queue WHERE keyed = 1 AND queue_id BETWEEN 1 AND 8388607"""
_DIGESTS: Final = """
    SELECT first_id, count, digests FROM put_block
    WHERE first_id > ? AND first_id <= ? AND length(digests) = count * 16 ORDER BY first_id"""
_EDITED: Final = """
    SELECT replacement, item_id FROM by_hand WHERE replacement > ? AND replacement <= ?"""
_DIGEST_AT: Final = """
    SELECT first_id, count, digests FROM put_block WHERE first_id <= ?
    ORDER BY first_id DESC LIMIT 1"""


def check_natural_keys(connection: sqlite3.Connection, findings: Findings) -> None:
    """Look at the natural keys of all items, and at what is noted of them."""
    check_rules(connection, RULES, findings)
    for first_id, digests, crc in connection.execute(_DONE_KEYS):
        if crc32(digests) != crc:
            findings.add("done_key has {} rows whose checksum is wrong", first_id)
    for (queue_id,) in connection.execute(_QUEUES).fetchall():
        bounds = queue_id << QUEUE_SHIFT, (queue_id << QUEUE_SHIFT) + ITEMS_PER_QUEUE_MAX
        edited = dict(connection.execute(_EDITED, bounds))
        _check_alike(connection, bounds, edited, findings)
        for replacement, item_id in edited.items():
            _check_edited(connection, item_id, replacement, findings)


def _check_alike(
    connection: sqlite3.Connection,
    bounds: tuple[int, int],
    edited: dict[int, int],
    findings: Findings,
) -> None:
    """Look whether two items of a queue have one key, but for what was put for another."""
    with closing(Digests()) as seen:
        for first_id, count, digests in connection.execute(_DIGESTS, bounds):
            own = {
                first_id + n: digest_at(digests, n)
                for n in range(count)
                if first_id + n not in edited
            }
            known = seen.take([*own.values()])
            again = [item_id for item_id, found in zip(own, known, strict=True) if found]
            in_block = len(own) - len(set(own.values()))
            for item_id in again or [first_id] * in_block:
                findings.add("{} items have the natural key of an earlier one", item_id)
            seen.add(own.values())


def _check_edited(
    connection: sqlite3.Connection, item_id: int, replacement: int, findings: Findings
) -> None:
    """Look whether what was put for an item has its key; it may have been given up."""
    before, after = _digest(connection, item_id), _digest(connection, replacement)
    if before is not None and after is not None and before != after:
        findings.add("{} items were edited and got another natural key", item_id)


def _digest(connection: sqlite3.Connection, item_id: int) -> bytes | None:
    for first_id, count, digests in connection.execute(_DIGEST_AT, (item_id,)):
        if digests is not None and item_id < first_id + count:
            return digest_at(digests, item_id - first_id)
    return None
