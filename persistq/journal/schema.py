"""The tables of a journal, for migrations and for `compiling`; nothing else imports SQLAlchemy.

Times are TEXT: ISO 8601 in UTC with microseconds and ``+00:00``, so that they sort as they read.
Each column says in its comment what always holds. ``put_log`` and ``done_log`` are append-only.
"""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

load = Table(
    "load",
    metadata,
    Column("load_id", Integer, primary_key=True, comment="Rises with each load; never reused."),
    Column("kind", Text, nullable=False, comment="'queue' or 'pipeline'; never changes."),
    Column("state", Text, nullable=False, comment="A `LoadState`; it begins as 'open'."),
    Column("created_at", Text, nullable=False, comment="When the load was begun."),
    Column("ended_at", Text, comment="When it was settled or abandoned; NULL in other states."),
    sqlite_autoincrement=True,
    sqlite_strict=True,
)

param = Table(
    "param",
    metadata,
    Column("load_id", Integer, ForeignKey("load.load_id"), nullable=False, comment="Its load."),
    Column("name", Text, nullable=False, comment="A parameter of the load's source."),
    Column("codec", Integer, nullable=False, comment="How the value is encoded, as for items."),
    Column("payload", LargeBinary, nullable=False, comment="The encoded value; never changes."),
    Column("shown", Text, nullable=False, comment="The value for people; *** for a secret."),
    Column("given", Integer, nullable=False, comment="1 if it was named, 0 for a default."),
    PrimaryKeyConstraint("load_id", "name"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

run = Table(
    "run",
    metadata,
    Column("run_id", Integer, primary_key=True, comment="Rises with each run; never reused."),
    Column("load_id", Integer, ForeignKey("load.load_id"), nullable=False, comment="Its load."),
    Column("executable", Text, nullable=False, comment="The interpreter, as a JSON string."),
    Column("argv", Text, nullable=False, comment="Its arguments, as a JSON array of strings."),
    Column("cwd", Text, nullable=False, comment="The directory it ran in, as a JSON string."),
    Column("environment", Text, nullable=False, comment="Its settings by variable, as JSON."),
    Column("host", Text, nullable=False, comment="Where the number of a process is unique."),
    Column("pid", Integer, nullable=False, comment="Process that opened the load, on its host."),
    Column("started", Integer, nullable=False, comment="Its start, as the host counts, or 0."),
    Column("node", Text, nullable=False, comment="What people call the host."),
    Column("started_at", Text, nullable=False, comment="When the run began."),
    Column("seen_at", Text, nullable=False, comment="Last time it is known to have been alive."),
    Column("ended_at", Text, comment="NULL while it lives, and for ever if it was killed."),
    Column("result", Text, comment="A `RunResult`; NULL exactly as long as ended_at is NULL."),
    Column("reason", Text, nullable=False, comment="Why it ended so, for people; may be empty."),
    Column("uuid", Text, nullable=False, comment="32 hex digits that no other run has, anywhere."),
    UniqueConstraint("uuid", name="run_uuid"),
    sqlite_autoincrement=True,
    sqlite_strict=True,
)

queue = Table(
    "queue",
    metadata,
    Column("queue_id", Integer, primary_key=True, comment="Upper bits of its items' ids."),
    Column("load_id", Integer, ForeignKey("load.load_id"), nullable=False, comment="Its load."),
    Column("position", Integer, nullable=False, comment="0 for the first stage of the load."),
    Column("name", Text, nullable=False, comment="The stage's name, unique in its load."),
    Column("next_n", Integer, nullable=False, comment="One more than its rows in put_log."),
    Column("done", Integer, nullable=False, comment="Its rows in done_log with outcome 0."),
    Column("dropped", Integer, nullable=False, comment="Its rows in done_log with outcome 1."),
    Column("parked", Integer, nullable=False, comment="Its rows in parked."),
    Column("sealed_total", Integer, comment="Items when it was sealed; NULL while it is open."),
    UniqueConstraint("load_id", "position", name="queue_position"),
    UniqueConstraint("load_id", "name", name="queue_name"),
    CheckConstraint("queue_id BETWEEN 1 AND 8388607", name="queue_id_fits_item_id"),
    CheckConstraint("done + dropped + parked < next_n", name="queue_outstanding_not_negative"),
    sqlite_autoincrement=True,
    sqlite_strict=True,
)

put_log = Table(
    "put_log",
    metadata,
    Column("item_id", Integer, primary_key=True, comment="queue_id << 40 | n, n from 1, no gaps."),
    Column("codec", Integer, nullable=False, comment="How the payload is encoded."),
    Column("payload", LargeBinary, nullable=False, comment="The encoded value; never changes."),
    sqlite_strict=True,
)

put_span = Table(
    "put_span",
    metadata,
    Column("queue_id", Integer, ForeignKey("queue.queue_id"), nullable=False, comment="Its queue."),
    Column("put_before", Integer, nullable=False, comment="Items of the queue before the span."),
    Column(
        "run_id",
        Integer,
        ForeignKey("run.run_id"),
        nullable=False,
        comment="The run that put all after these, up to the next span; rises with put_before.",
    ),
    PrimaryKeyConstraint("queue_id", "put_before"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

done_log = Table(
    "done_log",
    metadata,
    Column("item_id", Integer, primary_key=True, comment="Is in put_log, and not in parked."),
    Column("outcome", Integer, nullable=False, comment="A `DoneKind`: 0 done, 1 dropped."),
    sqlite_strict=True,
)

drop_reason = Table(
    "drop_reason",
    metadata,
    Column("item_id", Integer, primary_key=True, comment="Is in done_log, with outcome 1."),
    Column("reason", Text, nullable=False, comment="Why it was dropped; never empty."),
    sqlite_strict=True,
)

parked = Table(
    "parked",
    metadata,
    Column("item_id", Integer, primary_key=True, comment="Is in put_log, and not in done_log."),
    sqlite_strict=True,
)

failure = Table(
    "failure",
    metadata,
    Column("failure_id", Integer, primary_key=True, comment="Rises with each failed attempt."),
    Column("run_id", Integer, ForeignKey("run.run_id"), comment="The run that made the attempt."),
    Column("item_id", Integer, nullable=False, index=True, comment="Is in put_log."),
    Column("kind", Text, nullable=False, comment="A `FailureKind`."),
    Column("type", Text, nullable=False, comment="Class of the exception, or name of the signal."),
    Column("message", Text, nullable=False, comment="The exception's text, capped."),
    Column("traceback", Text, nullable=False, comment="Capped; empty for a crash."),
    Column("pid", Integer, nullable=False, comment="Process that tried; 0 when unknown."),
    Column("signal", Integer, comment="Signal that killed the process, or NULL."),
    Column("exit_code", Integer, comment="Exit status of the process, or NULL."),
    Column("peak_rss", Integer, comment="Largest resident set in bytes, or NULL when unknown."),
    Column("out_of_memory", Integer, comment="1 if the OOM killer is likely, NULL if unknown."),
    Column("at", Text, nullable=False, comment="When the attempt failed."),
    Column(
        "forgiven",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="1 once its item was retried by hand: kept, and no longer counted.",
    ),
    sqlite_strict=True,
)

item_key = Table(
    "item_key",
    metadata,
    Column("queue_id", Integer, nullable=False, comment="The queue whose puts are absorbed."),
    Column("digest", LargeBinary, nullable=False, comment="Digest of an earlier put."),
    Column("n", Integer, nullable=False, comment="Equal puts that were not repeated yet."),
    PrimaryKeyConstraint("queue_id", "digest"),
    CheckConstraint("n >= 0", name="item_key_not_negative"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

worker = Table(
    "worker",
    metadata,
    Column("worker_id", Integer, primary_key=True, comment="Rises with each worker process."),
    Column("run_id", Integer, ForeignKey("run.run_id"), nullable=False, comment="Its run."),
    Column("queue_id", Integer, nullable=False, comment="The stage it worked for."),
    Column("host", Text, nullable=False, comment="Where the number of its process is unique."),
    Column("pid", Integer, nullable=False, comment="Its process, on its host."),
    Column("started", Integer, nullable=False, comment="Its start, as the host counts, or 0."),
    Column("started_at", Text, nullable=False, comment="When it began to take items."),
    Column("ended_at", Text, comment="NULL while it lives, and for ever if nobody saw it die."),
    Column("ending", Text, comment="How it ended; NULL exactly as long as ended_at is NULL."),
    sqlite_strict=True,
)

writer = Table(
    "writer",
    metadata,
    Column("writer_id", Integer, primary_key=True, comment="Always 1: there is one writer."),
    Column("epoch", Integer, nullable=False, comment="Rises with each opening; never falls."),
    Column("host", Text, nullable=False, comment="Where the number of that broker is unique."),
    Column("pid", Integer, nullable=False, comment="The broker that opened it last, on its host."),
    Column("started", Integer, nullable=False, comment="Its start, as the host counts, or 0."),
    Column("node", Text, nullable=False, comment="What people call the host."),
    CheckConstraint("writer_id = 1", name="writer_is_one"),
    sqlite_strict=True,
)

# Alembic owns this table. It is spelt out here so that a new journal needs no Alembic, and kept out
# of `metadata` so that autogenerate does not try to manage it.
alembic_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False, comment="`revision_of` the schema version."),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
