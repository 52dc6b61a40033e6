"""Outputs that were put aside: spools, and what was streamed of items that are at work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from persistq.blocks import Origin
from persistq.items import QUEUE_SHIFT
from persistq.journal.pages import SPOOL_SHIFT
from persistq.journal.soundness.decoding import flaw_of
from persistq.journal.soundness.rules import (
    check_rules,
    is_fed,
    is_purged,
    is_put,
    outcome,
    queue,
)

if TYPE_CHECKING:
    import sqlite3

    from persistq.journal.soundness.findings import Findings


RULES: Final = {
    "spool has {} rows of items that were not put": f"""
        SELECT spool_id FROM spool WHERE NOT {is_put("item_id")}""",
    "spool has {} rows that differ from the block that they were published as": f"""
        SELECT spool_id FROM spool AS s LEFT JOIN (
            SELECT spool_id, max(count) AS n, min(count) AS least, max(origin) AS item_id,
                count(*) - count(DISTINCT first_id >> {QUEUE_SHIFT}) AS again,
                count(DISTINCT origin) AS origins
            FROM put_block WHERE spool_id IS NOT NULL GROUP BY spool_id
        ) AS b USING (spool_id)
        WHERE NOT {is_purged("s.item_id")} AND (
            s.count IS NOT b.n OR b.n <> b.least OR b.again > 0 OR b.origins > 1
            OR (b.n IS NOT NULL AND b.item_id IS NOT s.item_id)
        )""",
    "spool has {} rows that count other outputs than there are": f"""
        SELECT spool_id FROM spool WHERE NOT {is_purged("item_id")} AND count <> (
            SELECT total(b.count) FROM spool_block AS b WHERE b.place
            BETWEEN (spool_id << {SPOOL_SHIFT}) AND (spool_id + 1 << {SPOOL_SHIFT}) - 1
        )""",
    "put_block has {} blocks whose spool does not exist": f"""
        SELECT first_id FROM put_block WHERE spool_id IS NOT NULL
        AND spool_id NOT IN (SELECT spool_id FROM spool) AND NOT {is_purged("first_id")}""",
    "spool_block has {} blocks whose spool does not exist": f"""
        SELECT place FROM spool_block WHERE place >> {SPOOL_SHIFT}
        NOT IN (SELECT spool_id FROM spool)""",
    "streamed has {} rows of items that are not outstanding or parked": f"""
        SELECT item_id FROM streamed WHERE NOT {is_put("item_id")}
        OR {outcome("item_id")} IS NOT NULL""",
    "streamed has {} rows of what is not put in a stage that its own feeds": f"""
        SELECT item_id FROM streamed WHERE last_id < first_id
        OR NOT {is_put("first_id")} OR NOT {is_put("last_id")}
        OR {queue("first_id")} <> {queue("last_id")}
        OR NOT {is_fed("item_id", "first_id")}""",
    "streamed has {} rows that overlap others": """
        SELECT item_id FROM streamed AS s WHERE EXISTS (
            SELECT 1 FROM streamed AS o WHERE o.item_id = s.item_id
            AND o.first_id < s.first_id AND o.last_id >= s.first_id
        )""",
}

_SPOOL_BLOCKS: Final = "SELECT place, count, codec, data, crc FROM spool_block ORDER BY place"
_STREAMED: Final = "SELECT item_id, first_id, last_id FROM streamed ORDER BY first_id"
_BLOCKS: Final = """
    SELECT first_id, count, origin, steps FROM put_block
    WHERE first_id <= :last_id AND first_id >= coalesce((
        SELECT first_id FROM put_block WHERE first_id <= :first_id ORDER BY first_id DESC LIMIT 1
    ), 0)"""


def check_spools(connection: sqlite3.Connection, findings: Findings) -> None:
    """Look at what was put aside."""
    check_rules(connection, RULES, findings)
    _check_blocks(connection, findings)
    for item_id, first_id, last_id in connection.execute(_STREAMED):
        if not _was_made(connection, item_id, first_id, last_id):
            findings.add("streamed has {} rows of what was made of other items", item_id)


def _check_blocks(connection: sqlite3.Connection, findings: Findings) -> None:
    spool_id = following = 0
    for place, count, *rest in connection.execute(_SPOOL_BLOCKS):
        if place >> SPOOL_SHIFT != spool_id:
            spool_id = place >> SPOOL_SHIFT
            following = spool_id << SPOOL_SHIFT
        if place != following:
            findings.add("spool_block has {} blocks that do not follow the one before", place)
        following = place + count
        if (flaw := flaw_of(count, *rest)) is not None:
            findings.add(f"spool_block has {{}} blocks whose {flaw}", place)


def _was_made(connection: sqlite3.Connection, item_id: int, first_id: int, last_id: int) -> bool:
    """Tell whether all items of a range are in blocks, and were made of one item."""
    bounds = {"first_id": first_id, "last_id": last_id}
    made = 0
    for first, count, origin, steps in connection.execute(_BLOCKS, bounds):
        start, stop = max(first, first_id), min(first + count - 1, last_id)
        made += stop - start + 1
        if origin is None or steps is None:
            return False
        # Origins rise in a block, so it is enough to look at both ends.
        made_of = Origin(origin, steps)
        if {made_of.of(start - first), made_of.of(stop - first)} != {item_id}:
            return False
    return made == last_id - first_id + 1
