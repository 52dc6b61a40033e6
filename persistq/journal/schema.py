"""The tables of a journal, in SQL; what each column holds is said there and stays in the file.

Times are TEXT: ISO 8601 in UTC with microseconds and ``+00:00``, so that they sort as they read;
but a turn's, of which there are many, is an integer of milliseconds. What always holds between
rows is listed in ``docs/journal.md``, and checked by `persistq.journal.soundness`.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    """\
CREATE TABLE journal (
    journal_id INTEGER NOT NULL PRIMARY KEY CHECK (journal_id = 1), -- one row
    uuid TEXT NOT NULL, -- 32 hex digits that no other journal has; a copied file keeps them
    created_at TEXT NOT NULL
) STRICT""",
    """\
CREATE TABLE load (
    load_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- rises with each load; never reused
    kind TEXT NOT NULL, -- 'queue' or 'pipeline'; never changes
    state TEXT NOT NULL, -- 'open', 'settled', 'abandoned' or 'reopened'
    created_at TEXT NOT NULL,
    ended_at TEXT, -- when it was settled or abandoned; NULL in other states
    purged_at TEXT -- when its rows were given up, but for counters, failures and parked items
) STRICT""",
    """\
CREATE TABLE param (
    load_id INTEGER NOT NULL REFERENCES load,
    name TEXT NOT NULL, -- a parameter of the load's source
    codec INTEGER NOT NULL, -- how the value is encoded, as for items
    payload BLOB NOT NULL, -- the encoded value; never changes
    shown TEXT NOT NULL, -- the value for people; *** for a secret
    given INTEGER NOT NULL, -- 1 if it was named, 0 for a default
    PRIMARY KEY (load_id, name)
) STRICT, WITHOUT ROWID""",
    """\
CREATE TABLE run (
    run_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- rises with each run; never reused
    load_id INTEGER NOT NULL REFERENCES load,
    executable TEXT NOT NULL, -- the interpreter, as a JSON string
    argv TEXT NOT NULL, -- its arguments, as a JSON array of strings
    cwd TEXT NOT NULL, -- the directory it ran in, as a JSON string
    environment TEXT NOT NULL, -- its settings by variable, as JSON
    host TEXT NOT NULL, -- where the number of a process is unique
    pid INTEGER NOT NULL, -- the process that opened the load, on its host
    started INTEGER NOT NULL, -- its start, as the host counts, or 0
    node TEXT NOT NULL, -- what people call the host
    started_at TEXT NOT NULL,
    seen_at TEXT NOT NULL, -- last time it is known to have been alive
    ended_at TEXT, -- NULL while it lives, and for ever if it was killed
    result TEXT, -- 'done', 'failed' or 'interrupted'; NULL exactly as long as ended_at is
    reason TEXT NOT NULL, -- why it ended so, for people; may be empty
    uuid TEXT NOT NULL UNIQUE -- 32 hex digits that no other run has, anywhere
) STRICT""",
    """\
CREATE TABLE queue (
    queue_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT CHECK (queue_id BETWEEN 1 AND 8388607),
    load_id INTEGER NOT NULL REFERENCES load,
    position INTEGER NOT NULL, -- 0 for the first stage of the load
    name TEXT NOT NULL, -- the stage's name
    next_n INTEGER NOT NULL, -- one more than its items
    done INTEGER NOT NULL, -- its items in done_range with outcome 0
    dropped INTEGER NOT NULL, -- its items in done_range with outcome 1
    parked INTEGER NOT NULL, -- its rows in parked
    sealed_total INTEGER, -- items when it was sealed; NULL while it is open
    UNIQUE (load_id, position),
    UNIQUE (load_id, name),
    CHECK (done + dropped + parked < next_n)
) STRICT""",
    """\
CREATE TABLE turn (
    turn_id INTEGER NOT NULL PRIMARY KEY, -- rises
    run_id INTEGER NOT NULL REFERENCES run,
    at INTEGER NOT NULL -- milliseconds since 1970 in UTC; of what refers to it, to about 10 ms
) STRICT""",
    """\
CREATE TABLE put_block (
    first_id INTEGER NOT NULL PRIMARY KEY, -- queue_id << 40 | n, n from 1; blocks leave no gaps
    count INTEGER NOT NULL CHECK (count > 0), -- its items have the ids from first_id on
    codec INTEGER NOT NULL, -- how each item is encoded: 0 JSON, 1 and 2 pickle
    data BLOB NOT NULL, -- of one item its payload; of several a JSON, or MessagePack, array
    crc INTEGER NOT NULL, -- CRC-32 of data
    turn_id INTEGER NOT NULL, -- when, and in which run
    origin INTEGER, -- the item its first item was made of; NULL for what was put
    steps BLOB, -- how much greater the id is that each further one was made of; one byte for all
    spool_id INTEGER -- where its items lie instead of in data
) STRICT""",
    """\
CREATE TABLE spool (
    spool_id INTEGER NOT NULL PRIMARY KEY, -- rises with each attempt that has much to put
    item_id INTEGER NOT NULL, -- the item that its outputs are made of
    count INTEGER -- how many there are, once they are items; NULL while, or if, they are none
) STRICT""",
    """\
CREATE TABLE spool_block (
    place INTEGER NOT NULL PRIMARY KEY, -- spool_id << 36 | how many outputs lie before this block
    count INTEGER NOT NULL CHECK (count > 0),
    codec INTEGER NOT NULL, -- this and data and crc as in put_block
    data BLOB NOT NULL,
    crc INTEGER NOT NULL
) STRICT""",
    """\
CREATE TABLE put_span (
    queue_id INTEGER NOT NULL REFERENCES queue,
    put_before INTEGER NOT NULL, -- items of the queue before the span
    run_id INTEGER NOT NULL REFERENCES run, -- who put all after these, up to the next span
    PRIMARY KEY (queue_id, put_before)
) STRICT, WITHOUT ROWID""",
    """\
CREATE TABLE done_range (
    first_id INTEGER NOT NULL PRIMARY KEY, -- ranges do not overlap, and hold no parked item
    last_id INTEGER NOT NULL CHECK (last_id >= first_id), -- of the same queue
    outcome INTEGER NOT NULL, -- 0 done, 1 dropped
    turn_id INTEGER NOT NULL -- when, and in which run
) STRICT""",
    """\
CREATE TABLE drop_reason (
    item_id INTEGER NOT NULL PRIMARY KEY, -- is in done_range, with outcome 1
    reason TEXT NOT NULL -- never empty
) STRICT""",
    """\
CREATE TABLE parked (
    item_id INTEGER NOT NULL PRIMARY KEY -- is put, and in no done_range
) STRICT""",
    """\
CREATE TABLE streamed (
    item_id INTEGER NOT NULL, -- an outstanding item
    first_id INTEGER NOT NULL, -- what was made of it so far, as items of another queue
    last_id INTEGER NOT NULL,
    PRIMARY KEY (item_id, first_id)
) STRICT, WITHOUT ROWID""",
    """\
CREATE TABLE failure (
    failure_id INTEGER NOT NULL PRIMARY KEY, -- rises with each failed attempt
    run_id INTEGER REFERENCES run, -- the run that made the attempt
    item_id INTEGER NOT NULL,
    kind TEXT NOT NULL, -- 'exception', 'crash', 'timeout' or 'suspect'
    type TEXT NOT NULL, -- class of the exception, or name of the signal
    message TEXT NOT NULL, -- the exception's text, capped
    traceback TEXT NOT NULL, -- capped; empty for a crash
    pid INTEGER NOT NULL, -- the process that tried; 0 when unknown
    signal INTEGER, -- the signal that killed the process, or NULL
    exit_code INTEGER, -- exit status of the process, or NULL
    peak_rss INTEGER, -- largest resident set in bytes, NULL when unknown
    out_of_memory INTEGER, -- 1 if the OOM killer is likely, NULL if unknown
    at TEXT NOT NULL, -- when the attempt failed
    retry_at TEXT, -- when the item is tried again; NULL if at once, or never
    forgiven INTEGER NOT NULL DEFAULT 0 -- 1 once its item was retried by hand: no longer counted
) STRICT""",
    "CREATE INDEX failure_item ON failure (item_id)",
    """\
CREATE TABLE worker (
    worker_id INTEGER NOT NULL PRIMARY KEY, -- rises with each worker process
    run_id INTEGER NOT NULL REFERENCES run,
    queue_id INTEGER NOT NULL REFERENCES queue, -- the stage it worked for
    host TEXT NOT NULL, -- where the number of its process is unique
    pid INTEGER NOT NULL, -- its process, on its host
    started INTEGER NOT NULL, -- its start, as the host counts, or 0
    started_at TEXT NOT NULL, -- when it began to take items
    ended_at TEXT, -- NULL while it lives, and for ever if nobody saw it die
    ending TEXT -- how it ended; NULL exactly as long as ended_at is
) STRICT""",
    """\
CREATE TABLE writer (
    writer_id INTEGER NOT NULL PRIMARY KEY CHECK (writer_id = 1), -- one row at most
    epoch INTEGER NOT NULL, -- rises with each opening; never falls
    host TEXT NOT NULL, -- where the number of that broker is unique
    pid INTEGER NOT NULL, -- the broker that opened it last, on its host
    started INTEGER NOT NULL, -- its start, as the host counts, or 0
    node TEXT NOT NULL -- what people call the host
) STRICT""",
    # Alembic's own.
    """\
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)""",
)

TRIGGERS: Final = (
    # A range has no key that forbids a second one across it; this does, for the price of a look
    # at its neighbour.
    """\
CREATE TRIGGER done_once BEFORE INSERT ON done_range BEGIN
    SELECT RAISE(ABORT, 'an item is done twice') WHERE new.first_id <= (
        SELECT last_id FROM done_range WHERE first_id <= new.last_id
        ORDER BY first_id DESC LIMIT 1
    );
    SELECT RAISE(ABORT, 'a parked item is done') WHERE EXISTS (
        SELECT 1 FROM parked WHERE item_id BETWEEN new.first_id AND new.last_id
    );
END""",
    """\
CREATE TRIGGER parked_open BEFORE INSERT ON parked BEGIN
    SELECT RAISE(ABORT, 'a done item is parked') WHERE new.item_id <= (
        SELECT last_id FROM done_range WHERE first_id <= new.item_id
        ORDER BY first_id DESC LIMIT 1
    );
END""",
)
