"""The statements of a journal; made by `persistq.journal.compiling`, not by hand."""

from __future__ import annotations

from typing import Final

from persistq.journal.statement import Bulk, Statement

SCHEMA: Final = (
    """
    CREATE TABLE done_log (
        item_id INTEGER NOT NULL,
        outcome INTEGER NOT NULL,
        PRIMARY KEY (item_id)
    )
     STRICT
    """,
    """
    CREATE TABLE drop_reason (
        item_id INTEGER NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (item_id)
    )
     STRICT
    """,
    """
    CREATE TABLE item_key (
        queue_id INTEGER NOT NULL,
        digest BLOB NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY (queue_id, digest),
        CONSTRAINT item_key_not_negative CHECK (n >= 0)
    )
     WITHOUT ROWID,
     STRICT
    """,
    """
    CREATE TABLE load (
        load_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        created_at TEXT NOT NULL,
        ended_at TEXT
    )
     STRICT
    """,
    """
    CREATE TABLE parked (
        item_id INTEGER NOT NULL,
        PRIMARY KEY (item_id)
    )
     STRICT
    """,
    """
    CREATE TABLE put_log (
        item_id INTEGER NOT NULL,
        codec INTEGER NOT NULL,
        payload BLOB NOT NULL,
        PRIMARY KEY (item_id)
    )
     STRICT
    """,
    """
    CREATE TABLE writer (
        writer_id INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        started INTEGER NOT NULL,
        node TEXT NOT NULL,
        PRIMARY KEY (writer_id),
        CONSTRAINT writer_is_one CHECK (writer_id = 1)
    )
     STRICT
    """,
    """
    CREATE TABLE param (
        load_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        codec INTEGER NOT NULL,
        payload BLOB NOT NULL,
        shown TEXT NOT NULL,
        given INTEGER NOT NULL,
        PRIMARY KEY (load_id, name),
        FOREIGN KEY(load_id) REFERENCES load (load_id)
    )
     WITHOUT ROWID,
     STRICT
    """,
    """
    CREATE TABLE queue (
        queue_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        load_id INTEGER NOT NULL,
        position INTEGER NOT NULL,
        name TEXT NOT NULL,
        next_n INTEGER NOT NULL,
        done INTEGER NOT NULL,
        dropped INTEGER NOT NULL,
        parked INTEGER NOT NULL,
        sealed_total INTEGER,
        CONSTRAINT queue_position UNIQUE (load_id, position),
        CONSTRAINT queue_name UNIQUE (load_id, name),
        CONSTRAINT queue_id_fits_item_id CHECK (queue_id BETWEEN 1 AND 8388607),
        CONSTRAINT queue_outstanding_not_negative CHECK (done + dropped + parked < next_n),
        FOREIGN KEY(load_id) REFERENCES load (load_id)
    )
     STRICT
    """,
    """
    CREATE TABLE run (
        run_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        load_id INTEGER NOT NULL,
        executable TEXT NOT NULL,
        argv TEXT NOT NULL,
        cwd TEXT NOT NULL,
        environment TEXT NOT NULL,
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        started INTEGER NOT NULL,
        node TEXT NOT NULL,
        started_at TEXT NOT NULL,
        seen_at TEXT NOT NULL,
        ended_at TEXT,
        result TEXT,
        reason TEXT NOT NULL,
        uuid TEXT NOT NULL,
        CONSTRAINT run_uuid UNIQUE (uuid),
        FOREIGN KEY(load_id) REFERENCES load (load_id)
    )
     STRICT
    """,
    """
    CREATE TABLE failure (
        failure_id INTEGER NOT NULL,
        run_id INTEGER,
        item_id INTEGER NOT NULL,
        kind TEXT NOT NULL,
        type TEXT NOT NULL,
        message TEXT NOT NULL,
        traceback TEXT NOT NULL,
        pid INTEGER NOT NULL,
        signal INTEGER,
        exit_code INTEGER,
        peak_rss INTEGER,
        out_of_memory INTEGER,
        at TEXT NOT NULL,
        forgiven INTEGER DEFAULT 0 NOT NULL,
        PRIMARY KEY (failure_id),
        FOREIGN KEY(run_id) REFERENCES run (run_id)
    )
     STRICT
    """,
    "CREATE INDEX ix_failure_item_id ON failure (item_id)",
    """
    CREATE TABLE put_span (
        queue_id INTEGER NOT NULL,
        put_before INTEGER NOT NULL,
        run_id INTEGER NOT NULL,
        PRIMARY KEY (queue_id, put_before),
        FOREIGN KEY(queue_id) REFERENCES queue (queue_id),
        FOREIGN KEY(run_id) REFERENCES run (run_id)
    )
     WITHOUT ROWID,
     STRICT
    """,
    """
    CREATE TABLE worker (
        worker_id INTEGER NOT NULL,
        run_id INTEGER NOT NULL,
        queue_id INTEGER NOT NULL,
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        started INTEGER NOT NULL,
        started_at TEXT NOT NULL,
        ended_at TEXT,
        ending TEXT,
        PRIMARY KEY (worker_id),
        FOREIGN KEY(run_id) REFERENCES run (run_id)
    )
     STRICT
    """,
    """
    CREATE TABLE alembic_version (
        version_num VARCHAR(32) NOT NULL,
        CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
    )
    """,
)

PUT_PAGE: Final = Statement(
    """
    SELECT put_log.item_id, put_log.codec, put_log.payload
    FROM put_log
    WHERE put_log.item_id > ? AND put_log.item_id <= ? ORDER BY put_log.item_id
     LIMIT ? OFFSET ?
    """,
    "after_id last_id most param_1",
    {"param_1": 0},
)

OUTSTANDING_PAGE: Final = Statement(
    """
    SELECT put_log.item_id, put_log.codec, put_log.payload
    FROM put_log
    WHERE put_log.item_id > ? AND put_log.item_id <= ? AND NOT (EXISTS (SELECT *
    FROM done_log
    WHERE done_log.item_id = put_log.item_id)) AND NOT (EXISTS (SELECT *
    FROM parked
    WHERE parked.item_id = put_log.item_id)) ORDER BY put_log.item_id
     LIMIT ? OFFSET ?
    """,
    "after_id last_id most param_1",
    {"param_1": 0},
)

PARKED_PAGE: Final = Statement(
    """
    SELECT put_log.item_id, put_log.codec, put_log.payload
    FROM parked JOIN put_log ON parked.item_id = put_log.item_id
    WHERE parked.item_id > ? AND parked.item_id <= ? ORDER BY parked.item_id
     LIMIT ? OFFSET ?
    """,
    "after_id last_id most param_1",
    {"param_1": 0},
)

EPOCH: Final = Statement(
    """
    SELECT writer.epoch
    FROM writer
    """,
)

WRITER: Final = Statement(
    """
    SELECT writer.host, writer.pid, writer.started, writer.node
    FROM writer
    """,
)

LATEST_LOAD: Final = Statement(
    """
    SELECT load.load_id, load.kind, load.state, load.created_at, load.ended_at
    FROM load ORDER BY load.load_id DESC
     LIMIT ? OFFSET ?
    """,
    "most param_1",
    {"param_1": 0},
)

OPEN_LOAD: Final = Statement(
    """
    SELECT load.load_id, load.kind, load.state, load.created_at, load.ended_at
    FROM load
    WHERE load.state = ? ORDER BY load.load_id DESC
     LIMIT ? OFFSET ?
    """,
    "state_1 most param_1",
    {"state_1": "open", "param_1": 0},
)

LOADS: Final = Statement(
    """
    SELECT load.load_id, load.kind, load.state, load.created_at, load.ended_at
    FROM load ORDER BY load.load_id
    """,
)

LOAD: Final = Statement(
    """
    SELECT load.load_id, load.kind, load.state, load.created_at, load.ended_at
    FROM load
    WHERE load.load_id = ?
    """,
    "of_load",
)

LEFT: Final = Statement(
    """
    SELECT load.load_id, load.state, sum(queue.parked) AS sum_1, sum((((queue.next_n - 1) - queue.done) - queue.dropped) - queue.parked) AS sum_2
    FROM load JOIN queue ON load.load_id = queue.load_id
    WHERE load.load_id != ? GROUP BY load.load_id
    HAVING sum(queue.parked) > 0 OR sum((((queue.next_n - 1) - queue.done) - queue.dropped) - queue.parked) > 0 ORDER BY load.load_id
    """,
    "but_load",
)

PARAMS: Final = Statement(
    """
    SELECT param.name, param.codec, param.payload, param.shown, param.given
    FROM param
    WHERE param.load_id = ? ORDER BY param.name
    """,
    "of_load",
)

LAST_RUN: Final = Statement(
    """
    SELECT run.run_id, run.load_id, run.executable, run.argv, run.cwd, run.environment, run.host, run.pid, run.started, run.node, run.started_at, run.seen_at, run.ended_at, run.result, run.reason, run.uuid
    FROM run ORDER BY run.run_id DESC
     LIMIT ? OFFSET ?
    """,
    "most param_1",
    {"param_1": 0},
)

RUNS: Final = Statement(
    """
    SELECT run.run_id, run.load_id, run.executable, run.argv, run.cwd, run.environment, run.host, run.pid, run.started, run.node, run.started_at, run.seen_at, run.ended_at, run.result, run.reason, run.uuid
    FROM run
    WHERE run.load_id = ? ORDER BY run.run_id
    """,
    "of_load",
)

LATEST_RUN: Final = Statement(
    """
    SELECT run.run_id, run.load_id, run.executable, run.argv, run.cwd, run.environment, run.host, run.pid, run.started, run.node, run.started_at, run.seen_at, run.ended_at, run.result, run.reason, run.uuid
    FROM run
    WHERE run.run_id = (SELECT max(run.run_id) AS max_1
    FROM run
    WHERE run.load_id = ?)
    """,
    "of_load",
)

QUEUES: Final = Statement(
    """
    SELECT queue.queue_id, queue.load_id, queue.position, queue.name, queue.next_n, queue.done, queue.dropped, queue.parked, queue.sealed_total
    FROM queue
    WHERE queue.load_id = ? ORDER BY queue.position
    """,
    "of_load",
)

PUT_SPANS: Final = Statement(
    """
    SELECT put_span.put_before, run.uuid
    FROM put_span JOIN run ON run.run_id = put_span.run_id
    WHERE put_span.queue_id = ? AND put_span.put_before >= ? ORDER BY put_span.put_before
    """,
    "of_queue least",
)

FAILURES: Final = Statement(
    """
    SELECT failure.item_id, failure.kind, failure.type, failure.message, failure.traceback, failure.pid, failure.signal, failure.exit_code, failure.peak_rss, failure.out_of_memory
    FROM failure
    WHERE failure.item_id = ? ORDER BY failure.failure_id
    """,
    "of_item",
)

LATEST_FAILURES: Final = Statement(
    """
    SELECT put_log.codec, put_log.payload, failure.at, failure.item_id, failure.kind, failure.type, failure.message, failure.traceback, failure.pid, failure.signal, failure.exit_code, failure.peak_rss
    FROM failure JOIN put_log ON failure.item_id = put_log.item_id
    WHERE failure.item_id > ? AND failure.item_id <= ? ORDER BY failure.failure_id DESC
     LIMIT ? OFFSET ?
    """,
    "after_id last_id most param_1",
    {"param_1": 0},
)

LAST_WORKER: Final = Statement(
    """
    SELECT coalesce(max(worker.worker_id), 0) AS coalesce_1
    FROM worker
    """,
)

PARKED_IDS: Final = Statement(
    """
    SELECT parked.item_id
    FROM parked
    WHERE parked.item_id > ? AND parked.item_id <= ? ORDER BY parked.item_id
    """,
    "after_id last_id",
)

PUT: Final = Bulk(
    Statement(
        "INSERT INTO put_log (item_id, codec, payload) VALUES (?, ?, ?)",
        "item_id codec payload",
    )
)

DONE: Final = Statement(
    """
    INSERT INTO done_log (item_id, outcome) SELECT anon_1.value, 0
    FROM json_each(?) AS anon_1
    """,
    "ids",
)

DROPPED: Final = Statement(
    """
    INSERT INTO done_log (item_id, outcome) SELECT anon_1.value, 1
    FROM json_each(?) AS anon_1
    """,
    "ids",
)

EXPLAIN_DROP: Final = Statement(
    "INSERT INTO drop_reason (item_id, reason) VALUES (?, ?)",
    "item_id reason",
)

PARK: Final = Statement(
    """
    INSERT INTO parked (item_id) SELECT anon_1.value
    FROM json_each(?) AS anon_1
    """,
    "ids",
)

FAIL: Final = Statement(
    "INSERT INTO failure (run_id, item_id, kind, type, message, traceback, pid, signal, exit_code, peak_rss, out_of_memory, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "run_id item_id kind type message traceback pid signal exit_code peak_rss out_of_memory at",
)

EXPLAIN_FAILURES: Final = Statement(
    "UPDATE failure SET signal=?, exit_code=?, peak_rss=?, out_of_memory=? WHERE failure.pid = ? AND failure.run_id = ? AND failure.kind != 'exception' AND failure.exit_code IS NULL",
    "signal exit_code peak_rss out_of_memory of_pid of_run",
)

NOTE_ENDING: Final = Statement(
    """
    UPDATE worker SET ending=? WHERE worker.worker_id = (SELECT max(worker.worker_id) AS max_1
    FROM worker
    WHERE worker.pid = ? AND worker.run_id = ?)
    """,
    "ending of_pid of_run",
)

COUNT: Final = Statement(
    "UPDATE queue SET next_n=?, done=?, dropped=?, parked=?, sealed_total=? WHERE queue.queue_id = ?",
    "next_n done dropped parked sealed_total of_queue",
)

TAKE_OVER: Final = Statement(
    "INSERT INTO writer (writer_id, epoch, host, pid, started, node) VALUES (1, 1, ?, ?, ?, ?) ON CONFLICT (writer_id) DO UPDATE SET epoch = (writer.epoch + 1), host = excluded.host, pid = excluded.pid, started = excluded.started, node = excluded.node",
    "host pid started node",
)

BEGIN_LOAD: Final = Statement(
    "INSERT INTO load (kind, state, created_at) VALUES (?, ?, ?)",
    "kind state created_at",
    {"state": "open"},
)

END_LOAD: Final = Statement(
    "UPDATE load SET state=?, ended_at=? WHERE load.load_id = ? AND load.ended_at IS NULL",
    "state ended_at of_load",
)

REOPEN_LOAD: Final = Statement(
    "UPDATE load SET state=?, ended_at=? WHERE load.load_id = ? AND load.ended_at IS NOT NULL",
    "state ended_at of_load",
    {"state": "reopened", "ended_at": None},
)

ADD_PARAM: Final = Statement(
    "INSERT INTO param (load_id, name, codec, payload, shown, given) VALUES (?, ?, ?, ?, ?, ?)",
    "load_id name codec payload shown given",
)

BEGIN_RUN: Final = Statement(
    "INSERT INTO run (load_id, executable, argv, cwd, environment, host, pid, started, node, started_at, seen_at, reason, uuid) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "load_id executable argv cwd environment host pid started node started_at seen_at reason uuid",
    {"reason": ""},
)

BEGIN_SPANS: Final = Statement(
    """
    INSERT INTO put_span (queue_id, put_before, run_id) SELECT queue.queue_id, queue.next_n - 1 AS anon_1, run.run_id
    FROM queue JOIN run ON queue.load_id = run.load_id
    WHERE run.run_id = ? ON CONFLICT (queue_id, put_before) DO UPDATE SET run_id = excluded.run_id
    """,
    "of_run",
)

BEGIN_SPAN: Final = Statement(
    """
    INSERT INTO put_span (queue_id, put_before, run_id) SELECT queue.queue_id, queue.next_n - 1 AS anon_1, run.run_id
    FROM queue JOIN run ON queue.load_id = run.load_id
    WHERE run.run_id = ? AND queue.queue_id = ? ON CONFLICT (queue_id, put_before) DO UPDATE SET run_id = excluded.run_id
    """,
    "of_run of_queue",
)

END_RUN: Final = Statement(
    "UPDATE run SET seen_at=?, ended_at=?, result=?, reason=? WHERE run.run_id = ?",
    "seen_at ended_at result reason of_run",
)

SEE_RUN: Final = Statement(
    "UPDATE run SET seen_at=? WHERE run.run_id = ?",
    "seen_at of_run",
)

ADD_WORKER: Final = Statement(
    "INSERT INTO worker (worker_id, run_id, queue_id, host, pid, started, started_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    "worker_id run_id queue_id host pid started started_at",
)

END_WORKER: Final = Statement(
    "UPDATE worker SET ended_at=?, ending=? WHERE worker.worker_id = ?",
    "ended_at ending of_worker",
)

ADD_QUEUE: Final = Statement(
    "INSERT INTO queue (load_id, position, name, next_n, done, dropped, parked) VALUES (?, ?, ?, ?, ?, ?, ?)",
    "load_id position name next_n done dropped parked",
    {"next_n": 1, "done": 0, "dropped": 0, "parked": 0},
)

RENAME_QUEUE: Final = Statement(
    "UPDATE queue SET name=? WHERE queue.queue_id = ?",
    "name of_queue",
)

ATTEMPTS: Final = Statement(
    """
    SELECT failure.item_id, failure.kind, count(*) AS count_1
    FROM failure
    WHERE failure.item_id > ? AND failure.item_id <= ? AND failure.forgiven = 0 AND NOT (EXISTS (SELECT *
    FROM done_log
    WHERE done_log.item_id = failure.item_id)) AND NOT (EXISTS (SELECT *
    FROM parked
    WHERE parked.item_id = failure.item_id)) GROUP BY failure.item_id, failure.kind ORDER BY failure.item_id, failure.kind
    """,
    "after_id last_id",
)

FORGIVE: Final = Statement(
    """
    UPDATE failure SET forgiven=? WHERE failure.item_id IN (SELECT anon_1.value
    FROM json_each(?) AS anon_1)
    """,
    "forgiven ids",
    {"forgiven": 1},
)

UNPARK: Final = Statement(
    """
    DELETE FROM parked WHERE parked.item_id IN (SELECT anon_1.value
    FROM json_each(?) AS anon_1)
    """,
    "ids",
)

CLEAR_DIGESTS: Final = Statement(
    "DELETE FROM item_key WHERE item_key.queue_id = ?",
    "of_queue",
)

ADD_DIGEST: Final = Statement(
    "INSERT INTO item_key (queue_id, digest, n) VALUES (?, ?, 1) ON CONFLICT (queue_id, digest) DO UPDATE SET n = (item_key.n + 1)",
    "queue_id digest",
)

TAKE_DIGEST: Final = Statement(
    "UPDATE item_key SET n=(item_key.n - 1) WHERE item_key.queue_id = ? AND item_key.digest = ? AND item_key.n > 0",
    "of_queue of_digest",
)

MARK_REVISION: Final = Statement(
    "INSERT INTO alembic_version (version_num) VALUES (?)",
    "version_num",
)
