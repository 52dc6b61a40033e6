"""The statements that write; those with question marks are executed for many rows."""

from __future__ import annotations

from typing import Final

# --- the two logs ---

PUT: Final = """
    INSERT INTO put_block (first_id, count, codec, data, crc, turn_id, origin, steps, spool_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
MOVE_CURSOR: Final = """
    INSERT INTO cursor (queue_id, put, codec, data, crc) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (queue_id) DO UPDATE SET put = excluded.put, codec = excluded.codec,
        data = excluded.data, crc = excluded.crc"""
END: Final = "INSERT INTO done_range (first_id, last_id, outcome, turn_id) VALUES (?, ?, ?, ?)"
EXPLAIN_DROP: Final = "INSERT INTO drop_reason (item_id, reason) VALUES (?, ?)"
PARK: Final = "INSERT INTO parked (item_id) VALUES (?)"
UNPARK: Final = "DELETE FROM parked WHERE item_id IN (SELECT value FROM json_each(:ids))"

COUNT: Final = """
    UPDATE queue SET next_n = :next_n, done = :done, dropped = :dropped, parked = :parked,
        sealed_total = :sealed_total, bytes = :bytes, held = :held
    WHERE queue_id = :of_queue"""

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

NOTE_BY_HAND: Final = """
    INSERT INTO by_hand (item_id, deed, at, replacement) VALUES (?, ?, ?, ?)"""

# --- failures and processes ---

FAIL: Final = """
    INSERT INTO failure (
        run_id, item_id, kind, type, message, traceback, pid, signal, exit_code, peak_rss,
        out_of_memory, at, retry_at
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
FORGIVE: Final = """
    UPDATE failure SET forgiven = 1 WHERE item_id IN (SELECT value FROM json_each(:ids))"""
EXPLAIN_FAILURES: Final = """
    UPDATE failure SET signal = :signal, exit_code = :exit_code, peak_rss = :peak_rss,
        out_of_memory = :out_of_memory
    WHERE pid = :of_pid AND run_id = :of_run AND kind <> 'exception' AND exit_code IS NULL"""

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
RENAME_QUEUE: Final = "UPDATE queue SET name = :name WHERE queue_id = :of_queue"
