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

END_SOURCES: Final = """
    UPDATE source SET ended = 1
    WHERE queue_id IN (SELECT queue_id FROM queue WHERE load_id = :of_load)"""

SEAL: Final = """
    UPDATE queue SET sealed_total = next_n - 1, dropped = next_n - 1 - done - parked
    WHERE load_id = :of_load"""

LAST_PUT_TURN: Final = """
    SELECT turn_id FROM put_block WHERE first_id > :after_id AND first_id <= :last_id
    ORDER BY first_id DESC LIMIT 1"""

IS_BARE: Final = """
    SELECT NOT EXISTS (SELECT 1 FROM load WHERE purged_at IS NULL OR ended_at IS NULL)
    AND NOT EXISTS (SELECT 1 FROM failure) AND NOT EXISTS (SELECT 1 FROM parked)
    AND NOT EXISTS (SELECT 1 FROM put_block) AND NOT EXISTS (SELECT 1 FROM done_range)
    AND NOT EXISTS (SELECT 1 FROM done_key)"""

# --- which queues: from one that has rows to the next ---

NEXT_QUEUE: Final = """
    SELECT min(id) >> 40 FROM (
        SELECT (SELECT first_id FROM put_block WHERE first_id > :after_id
            ORDER BY first_id LIMIT 1) AS id
        UNION ALL SELECT (SELECT first_id FROM done_range WHERE first_id > :after_id
            ORDER BY first_id LIMIT 1)
        UNION ALL SELECT (SELECT item_id FROM drop_reason WHERE item_id > :after_id
            ORDER BY item_id LIMIT 1)
        UNION ALL SELECT (SELECT first_id FROM source_span WHERE first_id > :after_id
            ORDER BY first_id LIMIT 1)
    )"""

IS_PURGED_QUEUE: Final = f"""
    SELECT 1 FROM queue JOIN load USING (load_id) WHERE queue_id = :of_queue AND {_PURGED}"""  # noqa: S608

# --- blocks ---

BLOCKS: Final = """
    SELECT first_id, count, length(data), turn_id, origin, steps, spool_id, digests, rank
    FROM put_block WHERE first_id > :after_id AND first_id <= :last_id
    ORDER BY first_id LIMIT :most"""

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

PRINTED_BOUND: Final = """
    SELECT max(item_id) FROM (
        SELECT item_id FROM printed WHERE item_id > :after_id AND item_id <= :last_id
        ORDER BY item_id LIMIT :most
    )"""
DROP_PRINTED: Final = """
    DELETE FROM printed WHERE item_id > :after_id AND item_id <= :last_id
    AND item_id NOT IN (SELECT item_id FROM parked)"""

SLOW_BOUND: Final = """
    SELECT max(item_id) FROM (
        SELECT item_id FROM slow WHERE item_id > :after_id AND item_id <= :last_id
        ORDER BY item_id LIMIT :most
    )"""
DROP_SLOW: Final = "DELETE FROM slow WHERE item_id > :after_id AND item_id <= :last_id"

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

# --- which source has put what: asked for only to know what it may repeat ---

SPANS_BOUND: Final = """
    SELECT max(first_id) FROM (
        SELECT first_id FROM source_span WHERE first_id > :after_id AND first_id <= :last_id
        ORDER BY first_id LIMIT :most
    )"""
DROP_SPANS: Final = "DELETE FROM source_span WHERE first_id > :after_id AND first_id <= :last_id"

# --- samples: of a run there are a few hundred at most ---

NEXT_SAMPLED: Final = """
    SELECT run_id FROM sample WHERE run_id > :after_run ORDER BY run_id LIMIT 1"""
DROP_STAGE_SAMPLES: Final = "DELETE FROM stage_sample WHERE run_id = :of_run"
DROP_SAMPLES: Final = "DELETE FROM sample WHERE run_id = :of_run"

# --- events: from the first on, so that those which are left have no gaps ---

FIRST_EVENTS: Final = f"""
    SELECT event_id, EXISTS (
        SELECT 1 FROM load WHERE load_id = coalesce(
            event.load_id, (SELECT q.load_id FROM queue AS q WHERE queue_id = first_id >> 40)
        ) AND {_PURGED}
    )
    FROM event ORDER BY event_id LIMIT :most"""  # noqa: S608
LAST_EVENT: Final = "SELECT coalesce(max(event_id), 0) FROM event"
DROP_EVENTS: Final = "DELETE FROM event WHERE event_id <= :until"

# --- turns: their runs rise, so those of one run lie together; the few by hand, of none, stay ---

TURN: Final = """
    SELECT turn_id, run_id FROM turn WHERE turn_id > :after_id AND run_id IS NOT NULL
    ORDER BY turn_id LIMIT 1"""
LAST_TURN_OF_RUNS: Final = """
    SELECT coalesce((
        SELECT turn_id FROM turn WHERE run_id IS NOT NULL ORDER BY turn_id DESC LIMIT 1
    ), 0)"""

PURGED_LOAD_OF_RUN: Final = f"""
    SELECT load_id FROM run JOIN load USING (load_id) WHERE run_id = :of_run AND {_PURGED}"""  # noqa: S608

TURNS_BOUND: Final = """
    SELECT max(turn_id) FROM (
        SELECT turn_id FROM turn WHERE turn_id > :after_id AND turn_id <= :last_id
        ORDER BY turn_id LIMIT :most
    )"""
DROP_TURNS: Final = """
    DELETE FROM turn WHERE turn_id > :after_id AND turn_id <= :last_id AND run_id IS NOT NULL
    AND turn_id NOT IN (
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
