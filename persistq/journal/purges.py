"""The statements that give up what purged loads have kept."""

from __future__ import annotations

from typing import Final

# A load that is worked on again keeps what it has, until it ends once more, and its run too.
_PURGED: Final = "purged_at IS NOT NULL AND load.ended_at IS NOT NULL AND load_id <> :but_load"

ENDED_LOADS: Final = """
    SELECT load_id, state, ended_at, sum(bytes), sum(next_n - 1 - done - dropped - parked)
    FROM load JOIN queue USING (load_id)
    WHERE ended_at IS NOT NULL AND purged_at IS NULL
    GROUP BY load_id ORDER BY load_id"""

MARK: Final = """
    UPDATE load SET purged_at = :at, state = 'settled'
    WHERE load_id = :of_load AND load_id <> :but_load AND ended_at IS NOT NULL
    AND purged_at IS NULL"""

SEAL: Final = """
    UPDATE queue SET sealed_total = next_n - 1, dropped = next_n - 1 - done - parked
    WHERE load_id = :of_load"""

LAST_TURN: Final = """
    SELECT turn_id FROM turn JOIN run USING (run_id) WHERE load_id = :of_load
    ORDER BY turn_id DESC LIMIT 1"""

IS_BARE: Final = """
    SELECT NOT EXISTS (SELECT 1 FROM load WHERE purged_at IS NULL OR ended_at IS NULL)
    AND NOT EXISTS (SELECT 1 FROM failure) AND NOT EXISTS (SELECT 1 FROM parked)
    AND NOT EXISTS (SELECT 1 FROM put_block) AND NOT EXISTS (SELECT 1 FROM done_range)"""

# --- which queues: from one that has rows to the next ---

NEXT_QUEUE: Final = """
    SELECT min(id) >> 40 FROM (
        SELECT (SELECT first_id FROM put_block WHERE first_id > :after_id
            ORDER BY first_id LIMIT 1) AS id
        UNION ALL SELECT (SELECT first_id FROM done_range WHERE first_id > :after_id
            ORDER BY first_id LIMIT 1)
        UNION ALL SELECT (SELECT item_id FROM drop_reason WHERE item_id > :after_id
            ORDER BY item_id LIMIT 1)
    )"""

IS_PURGED_QUEUE: Final = f"""
    SELECT 1 FROM queue JOIN load USING (load_id) WHERE queue_id = :of_queue AND {_PURGED}"""  # noqa: S608

# --- blocks ---

BLOCKS: Final = """
    SELECT first_id, count, length(data), turn_id, origin, steps, spool_id FROM put_block
    WHERE first_id > :after_id AND first_id <= :last_id ORDER BY first_id LIMIT :most"""

# What an attempt has streamed is compared with what the next attempt at its item puts.
NEEDED: Final = """
    SELECT first_id, last_id FROM streamed JOIN parked USING (item_id)
    WHERE first_id > :after_id AND first_id <= :last_id"""

DROP_BLOCK: Final = "DELETE FROM put_block WHERE first_id = ?"

# --- reasons and ranges: up to a bound, so that no statement takes long ---

REASONS_BOUND: Final = """
    SELECT max(item_id) FROM (
        SELECT item_id FROM drop_reason WHERE item_id > :after_id AND item_id <= :last_id
        ORDER BY item_id LIMIT :most
    )"""
DROP_REASONS: Final = "DELETE FROM drop_reason WHERE item_id > :after_id AND item_id <= :last_id"

RANGES_BOUND: Final = """
    SELECT max(first_id) FROM (
        SELECT first_id FROM done_range WHERE first_id > :after_id AND first_id <= :last_id
        ORDER BY first_id LIMIT :most
    )"""
# Without its range an item whose block had to stay would be outstanding.
DROP_RANGES: Final = """
    DELETE FROM done_range WHERE first_id > :after_id AND first_id <= :last_id AND coalesce((
        SELECT b.first_id + b.count FROM put_block AS b WHERE b.first_id <= done_range.last_id
        ORDER BY b.first_id DESC LIMIT 1
    ), 0) <= first_id"""

# --- turns: their runs rise, so those of one run lie together ---

TURN: Final = "SELECT turn_id, run_id FROM turn WHERE turn_id > :after_id ORDER BY turn_id LIMIT 1"
LAST_TURN_OF_ALL: Final = "SELECT coalesce(max(turn_id), 0) FROM turn"

PURGED_LOAD_OF_RUN: Final = f"""
    SELECT load_id FROM run JOIN load USING (load_id) WHERE run_id = :of_run AND {_PURGED}"""  # noqa: S608

TURNS_BOUND: Final = """
    SELECT max(turn_id) FROM (
        SELECT turn_id FROM turn WHERE turn_id > :after_id AND turn_id <= :last_id
        ORDER BY turn_id LIMIT :most
    )"""
DROP_TURNS: Final = """
    DELETE FROM turn WHERE turn_id > :after_id AND turn_id <= :last_id AND turn_id NOT IN (
        SELECT b.turn_id FROM queue AS q JOIN put_block AS b
        ON b.first_id > q.queue_id << 40 AND b.first_id < q.queue_id + 1 << 40
        WHERE q.load_id = :of_load
        UNION ALL
        SELECT d.turn_id FROM queue AS q JOIN done_range AS d
        ON d.first_id > q.queue_id << 40 AND d.first_id < q.queue_id + 1 << 40
        WHERE q.load_id = :of_load
    )"""

# --- spools: from their end, so that what is left begins where it began ---

NEXT_SPOOL: Final = """
    SELECT spool_id, item_id >> 40, count FROM spool
    WHERE spool_id > :after_id AND spool_id < :before ORDER BY spool_id LIMIT 1"""
# Looked for when the blocks of its load are gone, but for a few.
HAS_ITEMS: Final = """
    SELECT 1 FROM queue AS made_in JOIN queue AS q USING (load_id) JOIN put_block AS b
    ON b.first_id > q.queue_id << 40 AND b.first_id < q.queue_id + 1 << 40
    WHERE made_in.queue_id = :of_queue AND b.spool_id = :spool_id LIMIT 1"""
LAST_SPOOLED: Final = """
    SELECT place, length(data) FROM spool_block
    WHERE place >= :spool_id << 36 AND place < :spool_id + 1 << 36
    ORDER BY place DESC LIMIT :most"""
DROP_SPOOLED: Final = """
    DELETE FROM spool_block WHERE place >= :place AND place < :spool_id + 1 << 36"""
DROP_SPOOL: Final = "DELETE FROM spool WHERE spool_id = :spool_id"
