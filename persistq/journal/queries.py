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

QUEUES: Final = """
    SELECT queue_id, load_id, position, name, next_n, done, dropped, parked, sealed_total, bytes,
        held
    FROM queue WHERE load_id = :of_load ORDER BY position"""

PUT_SPANS: Final = """
    SELECT put_before, uuid FROM put_span JOIN run USING (run_id)
    WHERE queue_id = :of_queue AND put_before >= :least ORDER BY put_before"""

TEMPLATE: Final = "SELECT template FROM journal"

LAST_WORKER: Final = "SELECT coalesce(max(worker_id), 0) FROM worker"

EPOCH: Final = "SELECT epoch FROM writer"
WRITER: Final = "SELECT host, pid, started, node FROM writer"

# --- the two logs: pages begin behind an id, and end at one ---

BLOCKS: Final = """
    SELECT first_id, count, codec, data, crc, spool_id FROM put_block
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

CURSOR: Final = "SELECT put, codec, data, crc FROM cursor WHERE queue_id = :of_queue"

REPLACEMENTS: Final = """
    SELECT replacement FROM by_hand WHERE replacement > :after_id AND replacement <= :last_id
    ORDER BY replacement"""

# --- failures ---

_FAILURE: Final = """
    item_id, kind, type, message, traceback, pid, signal, exit_code, peak_rss, out_of_memory,
    retry_at"""

FAILURES: Final = f"SELECT {_FAILURE} FROM failure WHERE item_id = :of_item ORDER BY failure_id"  # noqa: S608

LATEST_FAILURES: Final = f"""
    SELECT at, {_FAILURE} FROM failure WHERE item_id > :after_id AND item_id <= :last_id
    ORDER BY failure_id DESC LIMIT :most"""  # noqa: S608

ATTEMPTS: Final = """
    SELECT f.item_id, f.kind, count(*), latest.at, latest.retry_at
    FROM failure AS f JOIN failure AS latest ON latest.failure_id = (
        SELECT max(failure_id) FROM failure AS other WHERE other.item_id = f.item_id
    )
    WHERE f.item_id > :after_id AND f.item_id <= :last_id AND f.forgiven = 0
    AND f.item_id > coalesce((
        SELECT last_id FROM done_range WHERE first_id <= f.item_id ORDER BY first_id DESC LIMIT 1
    ), 0)
    AND NOT EXISTS (SELECT 1 FROM parked WHERE parked.item_id = f.item_id)
    GROUP BY f.item_id, f.kind ORDER BY f.item_id, f.kind"""
