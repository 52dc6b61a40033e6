"""The statements that read."""

from __future__ import annotations

from typing import Final

# --- loads and runs ---

_LOAD: Final = "SELECT load_id, kind, state, created_at, ended_at, purged_at FROM load"

LATEST_LOAD: Final = f"{_LOAD} ORDER BY load_id DESC LIMIT 1"
OPEN_LOAD: Final = f"{_LOAD} WHERE state = 'open' ORDER BY load_id DESC LIMIT 1"
LOADS: Final = f"{_LOAD} ORDER BY load_id"
LOAD: Final = f"{_LOAD} WHERE load_id = :of_load"

LEFT: Final = """
    SELECT load_id, state, sum(parked) AS parked,
        sum(next_n - 1 - done - dropped - parked) AS outstanding
    FROM load JOIN queue USING (load_id)
    WHERE load_id <> :but_load
    GROUP BY load_id
    HAVING sum(parked) > 0 OR outstanding > 0
    ORDER BY load_id"""

PARAMS: Final = """
    SELECT name, codec, payload, shown, given FROM param WHERE load_id = :of_load ORDER BY name"""

_RUN: Final = """
    SELECT run_id, load_id, executable, argv, cwd, environment, host, pid, started, node,
        started_at, seen_at, ended_at, result, reason, uuid
    FROM run"""

LAST_RUN: Final = f"{_RUN} ORDER BY run_id DESC LIMIT 1"
RUNS: Final = f"{_RUN} WHERE load_id = :of_load ORDER BY run_id"
LATEST_RUN: Final = f"{_RUN} WHERE load_id = :of_load ORDER BY run_id DESC LIMIT 1"

_QUEUE: Final = """
    SELECT queue_id, load_id, position, name, next_n, done, dropped, parked, sealed_total, bytes,
        held, rated_until, keyed, once, duplicates, skipped, worked
    FROM queue"""

QUEUES: Final = f"{_QUEUE} WHERE load_id = :of_load ORDER BY position"
ALL_QUEUES: Final = f"{_QUEUE} ORDER BY load_id, position"

RATED_UNTIL: Final = "SELECT coalesce(max(rated_until), 0) FROM queue WHERE name = :name"
ROUTES: Final = """
    SELECT queue_id, target_id, kind FROM route JOIN queue USING (queue_id)
    WHERE load_id = :of_load ORDER BY queue_id, target_id"""

PUT_SPANS: Final = """
    SELECT put_before, uuid FROM put_span JOIN run USING (run_id)
    WHERE queue_id = :of_queue AND put_before >= :least ORDER BY put_before"""

TEMPLATE: Final = "SELECT template FROM journal"

SLOW: Final = """
    SELECT item_id, seconds FROM slow WHERE item_id > :after_id AND item_id <= :last_id"""

LAST_WORKER: Final = "SELECT coalesce(max(worker_id), 0) FROM worker"

EPOCH: Final = "SELECT epoch FROM writer"
WRITER: Final = "SELECT host, pid, started, node FROM writer"

# --- the two logs: pages begin behind an id, and end at one ---

BLOCKS: Final = """
    SELECT first_id, count, codec, data, crc, rank, spool_id FROM put_block
    WHERE first_id <= :last_id AND first_id >= coalesce(
        (SELECT first_id FROM put_block WHERE first_id <= :first_id ORDER BY first_id DESC LIMIT 1),
        :first_id
    )
    ORDER BY first_id"""

SPOOL_BLOCKS: Final = """
    SELECT place, count, codec, data, crc FROM spool_block
    WHERE place <= :last_place AND place >= coalesce(
        (SELECT place FROM spool_block WHERE place <= :first_place ORDER BY place DESC LIMIT 1),
        :first_place
    )
    ORDER BY place"""

# In the order of their ids without sorting: SQLite merges the two tables as it reads them. A window
# function (lag) over the same rows takes twice as long as comparing neighbours in Python.
ENDED: Final = """
    SELECT first_id, last_id FROM done_range
    WHERE first_id <= :last_id AND first_id >= coalesce(
        (SELECT first_id FROM done_range WHERE first_id <= :after_id
        ORDER BY first_id DESC LIMIT 1),
        :after_id
    )
    UNION ALL
    SELECT item_id, item_id FROM parked WHERE item_id > :after_id AND item_id <= :last_id
    ORDER BY 1"""

LAST_PUT: Final = """
    SELECT next_n - 1 FROM queue JOIN load USING (load_id)
    WHERE queue_id = :of_queue AND purged_at IS NULL"""

PARKED_IDS: Final = """
    SELECT item_id FROM parked WHERE item_id > :after_id AND item_id <= :last_id ORDER BY item_id"""

STREAMED: Final = """
    SELECT first_id, last_id FROM streamed WHERE item_id = :of_item ORDER BY first_id"""
HAS_STREAMED: Final = "SELECT EXISTS (SELECT 1 FROM streamed)"
HAS_STREAMED_OF: Final = """
    SELECT EXISTS (SELECT 1 FROM streamed WHERE item_id > :after_id AND item_id <= :last_id)"""
LAST_SPOOL: Final = "SELECT coalesce(max(spool_id), 0) FROM spool"

CHECKPOINT: Final = "SELECT codec, data, crc FROM checkpoint WHERE item_id = :of_item"
HAS_CHECKPOINTS: Final = "SELECT EXISTS (SELECT 1 FROM checkpoint)"
CURSOR: Final = """
    SELECT put, duplicates, skipped, codec, data, crc FROM cursor WHERE source_id = :of_source"""
SOURCES: Final = """
    SELECT source_id, queue_id, source.name, ended FROM source JOIN queue USING (queue_id)
    WHERE load_id = :of_load ORDER BY source_id"""
SOURCE_SPANS: Final = """
    SELECT first_id, source_id FROM source_span
    WHERE first_id <= :last_id AND first_id >= coalesce(
        (SELECT first_id FROM source_span WHERE first_id <= :after_id AND first_id > :least
        ORDER BY first_id DESC LIMIT 1),
        :after_id
    )
    ORDER BY first_id LIMIT :most"""
PUT_SINCE: Final = """
    SELECT first_id, first_id + count - 1, at FROM put_block JOIN turn USING (turn_id)
    WHERE first_id <= :last_id AND first_id > coalesce((
        SELECT first_id FROM put_block JOIN turn USING (turn_id)
        WHERE first_id > :after_id AND first_id <= :last_id AND at < :since
        ORDER BY first_id DESC LIMIT 1
    ), :after_id)
    ORDER BY first_id"""

REPLACEMENTS: Final = """
    SELECT replacement FROM by_hand WHERE replacement > :after_id AND replacement <= :last_id
    ORDER BY replacement"""

# --- natural keys ---

DIGESTS: Final = """
    SELECT first_id, count, digests FROM put_block
    WHERE first_id > :after_id AND first_id <= :last_id AND digests IS NOT NULL
    ORDER BY first_id LIMIT :most"""

DIGESTS_AT: Final = """
    SELECT first_id, count, digests FROM put_block WHERE first_id <= :of_item
    ORDER BY first_id DESC LIMIT 1"""

DONE_KEYS: Final = """
    SELECT first_id, digests, crc FROM done_key
    JOIN queue ON queue_id = first_id >> 40
    WHERE first_id > :after_id AND load_id <> :but_load
    AND name IN (SELECT value FROM json_each(:names))
    ORDER BY first_id LIMIT :most"""

UNNOTED: Final = """
    SELECT queue_id, load_id, noted FROM queue JOIN load USING (load_id)
    WHERE once = 1 AND noted < next_n - 1 AND state = 'settled' AND purged_at IS NULL
    ORDER BY queue_id LIMIT 1"""

COUNT_DONE_KEYS: Final = "SELECT coalesce(sum(length(digests)), 0) / 16 FROM done_key"

MADE_OF: Final = """
    SELECT first_id, count, origin, steps FROM put_block WHERE first_id <= :of_item
    ORDER BY first_id DESC LIMIT 1"""

EDITED: Final = """
    SELECT replacement, item_id FROM by_hand WHERE replacement > :after_id
    AND replacement <= :last_id"""

NOT_DONE: Final = """
    SELECT first_id, last_id FROM done_range
    WHERE first_id > :after_id AND first_id <= :last_id AND outcome <> 0
    UNION ALL
    SELECT item_id, item_id FROM parked WHERE item_id > :after_id AND item_id <= :last_id"""

# --- failures ---

_FAILURE: Final = """
    item_id, kind, type, message, traceback, pid, signal, exit_code, peak_rss, out_of_memory,
    retry_at"""

FAILURES: Final = f"SELECT {_FAILURE} FROM failure WHERE item_id = :of_item ORDER BY failure_id"  # noqa: S608

LATEST_FAILURES: Final = f"""
    SELECT at, {_FAILURE} FROM failure WHERE item_id > :after_id AND item_id <= :last_id
    ORDER BY failure_id DESC LIMIT :most"""  # noqa: S608

# The plus keeps SQLite from going through the whole put-log of the queue.
DELAYED: Final = """
    SELECT first_id, first_id + count - 1, due_at, at FROM put_block JOIN turn USING (turn_id)
    WHERE due_at > :now AND +first_id > :after_id AND +first_id <= :last_id ORDER BY first_id"""

ATTEMPTS: Final = """
    SELECT f.item_id, f.kind, count(*), latest.at, latest.retry_at
    FROM failure AS f JOIN failure AS latest ON latest.failure_id = (
        SELECT failure_id FROM failure AS other WHERE other.item_id = f.item_id
        ORDER BY kind = 'deferred' AND retry_at IS NOT NULL DESC, failure_id DESC LIMIT 1
    )
    WHERE f.item_id > :after_id AND f.item_id <= :last_id AND f.forgiven = 0
    AND f.item_id > coalesce((
        SELECT last_id FROM done_range WHERE first_id <= f.item_id ORDER BY first_id DESC LIMIT 1
    ), 0)
    AND NOT EXISTS (SELECT 1 FROM parked WHERE parked.item_id = f.item_id)
    GROUP BY f.item_id, f.kind ORDER BY f.item_id, f.kind"""
