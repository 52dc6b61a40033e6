"""The statements that write; those with question marks are executed for many rows."""

from __future__ import annotations

from typing import Final

# --- the two logs ---

PUT: Final = """
    INSERT INTO put_block (
        first_id, count, codec, data, crc, digests, rank, due_at, turn_id, origin, steps, spool_id
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
MOVE_CURSOR: Final = """
    INSERT INTO cursor (source_id, put, duplicates, skipped, codec, data, crc)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (source_id) DO UPDATE SET put = excluded.put, duplicates = excluded.duplicates,
        skipped = excluded.skipped, codec = excluded.codec, data = excluded.data,
        crc = excluded.crc"""
BEGIN_SOURCE_SPAN: Final = "INSERT INTO source_span (first_id, source_id) VALUES (?, ?)"
END_SOURCE: Final = "UPDATE source SET ended = 1 WHERE source_id = ?"
END: Final = "INSERT INTO done_range (first_id, last_id, outcome, turn_id) VALUES (?, ?, ?, ?)"
EXPLAIN_DROP: Final = "INSERT INTO drop_reason (item_id, reason) VALUES (?, ?)"
PARK: Final = "INSERT INTO parked (item_id) VALUES (?)"
UNPARK: Final = "DELETE FROM parked WHERE item_id IN (SELECT value FROM json_each(:ids))"

COUNT: Final = """
    UPDATE queue SET next_n = :next_n, done = :done, dropped = :dropped, parked = :parked,
        sealed_total = :sealed_total, bytes = :bytes, held = :held,
        rated_until = :rated_until, duplicates = :duplicates,
        skipped = :skipped, worked = :worked
    WHERE queue_id = :of_queue"""

# --- keys that loads have done ---

NOTE_DONE_KEYS: Final = """
    INSERT INTO done_key (first_id, digests, crc) VALUES (?, ?, ?)
    ON CONFLICT (first_id) DO UPDATE SET digests = excluded.digests, crc = excluded.crc"""
NOTED: Final = "UPDATE queue SET noted = :noted WHERE queue_id = :of_queue"
# What was parked may be done now.
NOTE_AGAIN: Final = "UPDATE queue SET noted = 0 WHERE load_id = :of_load AND once = 1"
FORGET_DONE_KEYS: Final = "DELETE FROM done_key"
ALL_NOTED: Final = """
    UPDATE queue SET noted = next_n - 1 WHERE once = 1 AND noted < next_n - 1
    AND load_id IN (SELECT load_id FROM load WHERE state = 'settled')"""

# --- turns, spools and what was streamed ---

BEGIN_TURN: Final = "INSERT INTO turn (run_id, at) VALUES (:of_run, :at)"

BEGIN_SPOOL: Final = "INSERT INTO spool (spool_id, item_id) VALUES (?, ?)"
SPOOL: Final = "INSERT INTO spool_block (place, count, codec, data, crc) VALUES (?, ?, ?, ?, ?)"
PUBLISH: Final = """
    UPDATE spool SET count = :count
    WHERE spool_id = :spool_id AND item_id = :item_id AND count IS NULL AND :count = (
        SELECT (place & 68719476735) + count FROM spool_block
        WHERE place >= :spool_id << 36 AND place < (:spool_id + 1) << 36
        ORDER BY place DESC LIMIT 1
    )"""

STREAM: Final = "INSERT INTO streamed (item_id, first_id, last_id) VALUES (?, ?, ?)"
END_STREAM: Final = "DELETE FROM streamed WHERE item_id BETWEEN ? AND ?"

CHECKPOINT: Final = """
    INSERT INTO checkpoint (item_id, codec, data, crc) VALUES (?, ?, ?, ?)
    ON CONFLICT (item_id) DO UPDATE SET codec = excluded.codec, data = excluded.data,
        crc = excluded.crc"""
END_CHECKPOINT: Final = "DELETE FROM checkpoint WHERE item_id BETWEEN ? AND ?"

PRINT: Final = """
    INSERT INTO printed (item_id, run_id, stream, text, at) VALUES (?, ?, ?, ?, ?)"""
DROP_OLD_LINES: Final = """
    DELETE FROM printed WHERE printed_id <= (SELECT max(printed_id) FROM printed) - :most"""

TIME: Final = """
    INSERT INTO timing (run_id, queue_id, worked, waited, counts) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (run_id, queue_id) DO UPDATE SET worked = excluded.worked,
        waited = excluded.waited, counts = excluded.counts"""
KEEP_SLOW: Final = """
    INSERT INTO slow (item_id, run_id, seconds) VALUES (?, ?, ?)
    ON CONFLICT (item_id) DO UPDATE SET run_id = excluded.run_id, seconds = excluded.seconds"""
DROP_SLOW: Final = "DELETE FROM slow WHERE item_id = ?"
SAMPLE: Final = """
    INSERT INTO sample (run_id, tick, at, broker_rss) VALUES (?, ?, ?, ?)
    ON CONFLICT (run_id, tick) DO UPDATE SET at = excluded.at, broker_rss = excluded.broker_rss"""
SAMPLE_STAGE: Final = """
    INSERT OR REPLACE INTO stage_sample (
        run_id, tick, queue_id, put, done, dropped, parked, worked, waited, rss
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
THIN_STAGE_SAMPLES: Final = "DELETE FROM stage_sample WHERE run_id = :of_run AND tick % :step"
THIN_SAMPLES: Final = "DELETE FROM sample WHERE run_id = :of_run AND tick % :step"

NOTE_BY_HAND: Final = """
    INSERT INTO by_hand (item_id, deed, at, replacement) VALUES (?, ?, ?, ?)"""

# --- failures and processes ---

FAIL: Final = """
    INSERT INTO failure (
        run_id, item_id, kind, type, message, traceback, pid, signal, exit_code, peak_rss,
        out_of_memory, at, retry_at
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
# An item that is put off for hours has one row, which says when it was last, and until when.
DEFER: Final = f"""{FAIL}
    ON CONFLICT (item_id) WHERE kind = 'deferred' DO UPDATE SET run_id = excluded.run_id,
        type = excluded.type, message = excluded.message, pid = excluded.pid, at = excluded.at,
        retry_at = excluded.retry_at, forgiven = 0"""
# What has happened to it since then says when it is tried again.
UNDEFER: Final = """
    UPDATE failure SET retry_at = NULL WHERE item_id = ? AND kind = 'deferred'"""
FORGIVE: Final = """
    UPDATE failure SET forgiven = 1 WHERE item_id IN (SELECT value FROM json_each(:ids))"""
EXPLAIN_FAILURES: Final = """
    UPDATE failure SET signal = :signal, exit_code = :exit_code, peak_rss = :peak_rss,
        out_of_memory = :out_of_memory
    WHERE pid = :of_pid AND run_id = :of_run AND kind NOT IN ('exception', 'deferred')
    AND exit_code IS NULL"""

ADD_WORKER: Final = """
    INSERT INTO worker (worker_id, run_id, queue_id, host, pid, started, started_at)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""
END_WORKER: Final = """
    UPDATE worker SET ended_at = :ended_at, ending = :ending WHERE worker_id = :of_worker"""
NOTE_ENDING: Final = """
    UPDATE worker SET ending = :ending, ended_at = coalesce(ended_at, :ended_at) WHERE worker_id = (
        SELECT max(worker_id) FROM worker WHERE pid = :of_pid AND run_id = :of_run
    )"""

# --- loads, runs, queues ---

BEGIN_JOURNAL: Final = """
    INSERT INTO journal (journal_id, uuid, created_at) VALUES (1, :uuid, :created_at)"""
NOTE_TEMPLATE: Final = "UPDATE journal SET template = :template WHERE template IS NOT :template"
MARK_REVISION: Final = "INSERT INTO alembic_version (version_num) VALUES (:revision)"

TAKE_OVER: Final = """
    INSERT INTO writer (writer_id, epoch, host, pid, started, node)
    VALUES (1, 1, :host, :pid, :started, :node)
    ON CONFLICT (writer_id) DO UPDATE SET epoch = epoch + 1, host = excluded.host,
        pid = excluded.pid, started = excluded.started, node = excluded.node"""

BEGIN_LOAD: Final = """
    INSERT INTO load (kind, state, created_at) VALUES (:kind, 'open', :created_at)"""
END_LOAD: Final = """
    UPDATE load SET state = :state, ended_at = :ended_at
    WHERE load_id = :of_load AND ended_at IS NULL"""
REOPEN_LOAD: Final = """
    UPDATE load SET state = 'reopened', ended_at = NULL
    WHERE load_id = :of_load AND ended_at IS NOT NULL"""
ADD_PARAM: Final = """
    INSERT INTO param (load_id, name, codec, payload, shown, given) VALUES (?, ?, ?, ?, ?, ?)"""

BEGIN_RUN: Final = """
    INSERT INTO run (
        load_id, executable, argv, cwd, environment, host, pid, started, node, started_at, seen_at,
        reason, uuid
    ) VALUES (
        :load_id, :executable, :argv, :cwd, :environment, :host, :pid, :started, :node, :started_at,
        :seen_at, '', :uuid
    )"""
SEE_RUN: Final = "UPDATE run SET seen_at = :seen_at WHERE run_id = :of_run"
END_RUN: Final = """
    UPDATE run SET seen_at = :seen_at, ended_at = :ended_at, result = :result, reason = :reason
    WHERE run_id = :of_run"""

# A run that has put nothing here leaves no trace, however often one is started.
BEGIN_SPANS: Final = """
    INSERT INTO put_span (queue_id, put_before, run_id)
    SELECT queue_id, next_n - 1, run_id FROM queue JOIN run USING (load_id)
    WHERE run_id = :of_run AND (:of_queue IS NULL OR queue_id = :of_queue)
    ON CONFLICT (queue_id, put_before) DO UPDATE SET run_id = excluded.run_id"""

ADD_QUEUE: Final = """
    INSERT INTO queue (load_id, position, name, next_n, done, dropped, parked, bytes)
    VALUES (:load_id, :position, :name, 1, 0, 0, 0, 0)"""
DROP_ROUTES: Final = """
    DELETE FROM route WHERE queue_id IN (SELECT queue_id FROM queue WHERE load_id = :of_load)"""
ADD_ROUTE: Final = "INSERT INTO route (queue_id, target_id, kind) VALUES (?, ?, ?)"
KEY_QUEUE: Final = "UPDATE queue SET keyed = :keyed, once = :once WHERE queue_id = :of_queue"
ADD_SOURCE: Final = "INSERT INTO source (queue_id, name, ended) VALUES (:of_queue, :name, 0)"
RENAME_SOURCE: Final = "UPDATE source SET name = :name WHERE source_id = :of_source"
RENAME_QUEUE: Final = "UPDATE queue SET name = :name WHERE queue_id = :of_queue"
