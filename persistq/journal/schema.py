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
    created_at TEXT NOT NULL,
    template TEXT -- what its name was made from, as in sales-{day}; NULL if that is plain
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
    bytes INTEGER NOT NULL, -- of the data of its items, of which some may have been given up
    sealed_total INTEGER, -- items when it was sealed; NULL while it is open
    held TEXT NOT NULL DEFAULT '', -- why its stage, or what feeds it, waits; empty if neither does
    rated_until INTEGER NOT NULL DEFAULT 0, -- till when its calls last by its rate; ms since 1970
    keyed INTEGER NOT NULL DEFAULT 0, -- 1 if its items have natural keys
    once INTEGER NOT NULL DEFAULT 0, -- 1 if the keys of what it has done go to done_key
    duplicates INTEGER NOT NULL DEFAULT 0, -- puts that were left out: their key is in the queue
    skipped INTEGER NOT NULL DEFAULT 0, -- puts that were left out: their key is in done_key
    noted INTEGER NOT NULL DEFAULT 0, -- items up to which done_key has the keys, if they are done
    worked REAL NOT NULL DEFAULT 0, -- seconds that the items which are done took together
    told INTEGER NOT NULL DEFAULT 0, -- items up to which events tell of its puts
    UNIQUE (load_id, position),
    UNIQUE (load_id, name),
    CHECK (done + dropped + parked < next_n)
) STRICT""",
    """\
CREATE INDEX queue_unnoted ON queue (queue_id) WHERE once = 1 AND noted < next_n - 1""",
    """\
CREATE TABLE route (
    queue_id INTEGER NOT NULL REFERENCES queue, -- a stage
    target_id INTEGER NOT NULL REFERENCES queue, -- one that gets what it makes, or comes after
    kind TEXT NOT NULL, -- 'feeds' or 'keeps'; 'puts' if it leads back; 'ends' if it is awaited
    PRIMARY KEY (queue_id, target_id)
) STRICT, WITHOUT ROWID""",
    """\
CREATE TABLE done_key (
    first_id INTEGER NOT NULL PRIMARY KEY, -- of the block in which these items were put
    digests BLOB NOT NULL, -- as in put_block, of those of them that were done; stays after purging
    crc INTEGER NOT NULL -- CRC-32 of digests
) STRICT""",
    """\
CREATE TABLE turn (
    turn_id INTEGER NOT NULL PRIMARY KEY, -- rises
    run_id INTEGER REFERENCES run, -- NULL for what was done by hand while no run was at work
    at INTEGER NOT NULL -- milliseconds since 1970 in UTC; of what refers to it, to about 50 ms
) STRICT""",
    """\
CREATE TABLE put_block (
    first_id INTEGER NOT NULL PRIMARY KEY, -- queue_id << 40 | n, n from 1; blocks leave no gaps
    count INTEGER NOT NULL CHECK (count > 0), -- its items have the ids from first_id on
    codec INTEGER NOT NULL, -- of each item: 0 JSON, 1 and 2 pickle; 8 more behind its group
    data BLOB NOT NULL, -- of one item its payload; of several a JSON, or MessagePack, array
    crc INTEGER NOT NULL, -- CRC-32 of data
    turn_id INTEGER NOT NULL, -- when, and in which run
    origin INTEGER, -- the item its first item was made of; NULL for what was put
    steps BLOB, -- how much greater the id is that each further one was made of; one byte for all
    spool_id INTEGER, -- where its items lie instead of in data
    digests BLOB, -- of the natural keys of its items, 16 bytes each; NULL if they have none
    rank INTEGER, -- of its items, in a stage with an order: the smallest first; NULL elsewhere
    due_at INTEGER -- till when they waited after they were put; ms since 1970; NULL: they did not
) STRICT""",
    """\
CREATE INDEX put_block_due ON put_block (due_at) WHERE due_at IS NOT NULL""",
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
CREATE TABLE source (
    source_id INTEGER NOT NULL PRIMARY KEY, -- rises in the order in which a program names them
    queue_id INTEGER NOT NULL REFERENCES queue, -- what it puts on
    name TEXT NOT NULL,
    ended INTEGER NOT NULL, -- 1 once it has come to its end, and is not called again
    UNIQUE (queue_id, name)
) STRICT""",
    """\
CREATE TABLE source_span (
    first_id INTEGER NOT NULL PRIMARY KEY, -- from this item on, up to the next span of its queue,
    source_id INTEGER REFERENCES source -- it was this source that put; NULL: a stage has made them
) STRICT""",
    """\
CREATE TABLE cursor (
    source_id INTEGER NOT NULL PRIMARY KEY REFERENCES source,
    put INTEGER NOT NULL, -- items of its queue up to it
    duplicates INTEGER NOT NULL DEFAULT 0, -- puts up to it that were left out, as in queue
    skipped INTEGER NOT NULL DEFAULT 0, -- the same
    codec INTEGER NOT NULL, -- how the source's own value is encoded, as for items
    data BLOB NOT NULL, -- that value
    crc INTEGER NOT NULL -- CRC-32 of data
) STRICT""",
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
    item_id INTEGER NOT NULL, -- an outstanding or parked item
    first_id INTEGER NOT NULL, -- what was made of it so far, as items of another queue
    last_id INTEGER NOT NULL,
    PRIMARY KEY (item_id, first_id)
) STRICT, WITHOUT ROWID""",
    """\
CREATE TABLE checkpoint (
    item_id INTEGER NOT NULL PRIMARY KEY, -- an outstanding or parked item
    codec INTEGER NOT NULL, -- how its handler's own value is encoded, as for items
    data BLOB NOT NULL, -- that value: how far an attempt has come
    crc INTEGER NOT NULL -- CRC-32 of data
) STRICT""",
    """\
CREATE TABLE failure (
    failure_id INTEGER NOT NULL PRIMARY KEY, -- rises; one for all times that an item is put off
    run_id INTEGER REFERENCES run, -- the run that made the attempt
    item_id INTEGER NOT NULL,
    kind TEXT NOT NULL, -- 'exception', 'crash', 'timeout', 'suspect' or 'deferred'
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
    "CREATE UNIQUE INDEX failure_deferred ON failure (item_id) WHERE kind = 'deferred'",
    """\
CREATE TABLE printed (
    printed_id INTEGER NOT NULL PRIMARY KEY, -- rises; the oldest lines are dropped
    item_id INTEGER NOT NULL, -- the item that was worked on
    run_id INTEGER NOT NULL REFERENCES run,
    stream INTEGER NOT NULL, -- 1 standard output, 2 standard error
    text TEXT NOT NULL, -- one line, capped
    at TEXT NOT NULL -- when it was recorded
) STRICT""",
    "CREATE INDEX printed_item ON printed (item_id)",
    """\
CREATE TABLE by_hand (
    by_hand_id INTEGER NOT NULL PRIMARY KEY, -- rises with each item that somebody has a hand in
    item_id INTEGER NOT NULL,
    deed TEXT NOT NULL, -- 'retried', 'dropped' or 'edited', which is dropped and put anew
    at TEXT NOT NULL,
    replacement INTEGER -- what was put for an edited item, in the same queue
) STRICT""",
    "CREATE INDEX by_hand_item ON by_hand (item_id)",
    """\
CREATE INDEX by_hand_replacement ON by_hand (replacement) WHERE replacement IS NOT NULL""",
    """\
CREATE TABLE event (
    event_id INTEGER NOT NULL PRIMARY KEY, -- rises by one in the order of commits; the last stays
    kind TEXT NOT NULL, -- 'put', 'failed', 'parked', 'retried', 'discarded', 'settled', 'abandoned'
    at INTEGER NOT NULL, -- milliseconds since 1970 in UTC
    first_id INTEGER, -- the items that it is about; NULL if it is about a load
    last_id INTEGER, -- of the same queue
    failure_id INTEGER REFERENCES failure, -- of what has failed
    load_id INTEGER REFERENCES load -- the load that has ended; NULL if it is about items
) STRICT""",
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
CREATE TABLE timing (
    run_id INTEGER NOT NULL REFERENCES run,
    queue_id INTEGER NOT NULL REFERENCES queue, -- a stage, of which workers told in that run
    worked REAL NOT NULL, -- seconds in its handler, of all items and workers
    waited REAL NOT NULL, -- seconds in which its workers had nothing to do
    counts TEXT NOT NULL, -- items that were done by bucket of their durations, as a JSON object
    PRIMARY KEY (run_id, queue_id)
) STRICT, WITHOUT ROWID""",
    """\
CREATE TABLE slow (
    item_id INTEGER NOT NULL PRIMARY KEY, -- one of the slowest of its stage
    run_id INTEGER NOT NULL REFERENCES run, -- the one in which it was done
    seconds REAL NOT NULL -- how long that attempt took
) STRICT""",
    """\
CREATE TABLE sample (
    run_id INTEGER NOT NULL REFERENCES run,
    tick INTEGER NOT NULL, -- seconds since the run began, rounded down to the step of its samples
    at INTEGER NOT NULL, -- milliseconds since 1970 in UTC
    broker_rss INTEGER NOT NULL, -- memory of the broker, in bytes
    PRIMARY KEY (run_id, tick)
) STRICT, WITHOUT ROWID""",
    """\
CREATE TABLE stage_sample (
    run_id INTEGER NOT NULL,
    tick INTEGER NOT NULL,
    queue_id INTEGER NOT NULL REFERENCES queue,
    put INTEGER NOT NULL, -- its items then, in all runs; so are the next three
    done INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    parked INTEGER NOT NULL,
    worked REAL NOT NULL, -- as in timing, up to then
    waited REAL NOT NULL,
    rss INTEGER NOT NULL, -- memory of its workers, in bytes; 0 if that is unknown
    PRIMARY KEY (run_id, tick, queue_id),
    FOREIGN KEY (run_id, tick) REFERENCES sample
) STRICT, WITHOUT ROWID""",
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
    # Blocks and ranges have no key that forbids a second one across them; these do, for the price
    # of a look at their neighbour.
    """\
CREATE TRIGGER put_in_order BEFORE INSERT ON put_block BEGIN
    SELECT RAISE(ABORT, 'an id is put twice') WHERE new.first_id < (
        SELECT first_id + count FROM put_block WHERE first_id < new.first_id + new.count
        ORDER BY first_id DESC LIMIT 1
    );
    SELECT RAISE(ABORT, 'an id is left out') WHERE new.first_id & 1099511627775 > 1
    AND new.first_id IS NOT (
        SELECT first_id + count FROM put_block WHERE first_id < new.first_id
        ORDER BY first_id DESC LIMIT 1
    ) AND NOT EXISTS (
        SELECT 1 FROM queue JOIN load USING (load_id)
        WHERE queue_id = new.first_id >> 40 AND purged_at IS NOT NULL
    );
END""",
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

VIEWS: Final = (
    # For people, item by item; nothing of persistq reads it. SQLite 3.37 has to understand it.
    """\
CREATE VIEW item AS
WITH RECURSIVE
stored(first_id, count, codec, data, turn_id, origin) AS (
    SELECT first_id, count, codec, data, turn_id, origin FROM put_block WHERE spool_id IS NULL
    UNION ALL
    SELECT p.first_id + (s.place & 68719476735), s.count, s.codec, s.data, p.turn_id, p.origin
    FROM put_block AS p
    JOIN spool_block AS s ON s.place BETWEEN p.spool_id << 36 AND (p.spool_id << 36) + p.count - 1
),
listed AS (
    SELECT *, CASE WHEN codec IN (0, 8) AND count > 1 AND json_valid(CAST(data AS TEXT))
        THEN CAST(data AS TEXT) END AS list
    FROM stored
),
position(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM position WHERE n < 511),
single(item_id, block_id, codec, value, turn_id, origin) AS (
    SELECT first_id, first_id, codec, CASE WHEN codec IN (0, 8) THEN CAST(data AS TEXT) END,
        turn_id, origin
    FROM listed WHERE count = 1
    UNION ALL
    SELECT first_id + j.key, first_id, codec, CASE j.type
        WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' WHEN 'null' THEN 'null'
        WHEN 'text' THEN json_quote(j.value) ELSE CAST(j.value AS TEXT) END,
        turn_id, origin
    FROM listed JOIN json_each(list) AS j WHERE list IS NOT NULL AND j.key < count
    UNION ALL
    SELECT first_id + n, first_id, codec, NULL, turn_id, origin
    FROM listed JOIN position ON n < count WHERE count > 1 AND list IS NULL
)
SELECT
    i.item_id,
    q.load_id,
    q.name AS stage,
    i.item_id & 1099511627775 AS number, -- within its queue, from 1
    CASE WHEN d.outcome = 0 THEN 'done' WHEN d.outcome = 1 THEN 'dropped'
        WHEN k.item_id IS NOT NULL THEN 'parked' ELSE 'outstanding' END AS state,
    i.codec, -- 0 JSON, 1 and 2 pickle; 8 more: in an array behind the group of its item
    i.value, -- as JSON; NULL if it is a pickle, or damaged
    strftime('%Y-%m-%dT%H:%M:%f+00:00', p.at / 1000.0, 'unixepoch') AS put_at,
    strftime('%Y-%m-%dT%H:%M:%f+00:00', e.at / 1000.0, 'unixepoch') AS done_at,
    (e.at - p.at) / 1000.0 AS seconds, -- from one to the other
    p.run_id AS put_run,
    e.run_id AS done_run,
    i.block_id,
    i.origin -- what the first item of its block was made of
FROM single AS i
LEFT JOIN queue AS q ON q.queue_id = i.item_id >> 40
LEFT JOIN turn AS p ON p.turn_id = i.turn_id
LEFT JOIN done_range AS d ON d.last_id >= i.item_id AND d.first_id = (
    SELECT max(first_id) FROM done_range WHERE first_id <= i.item_id
)
LEFT JOIN turn AS e ON e.turn_id = d.turn_id
LEFT JOIN parked AS k ON k.item_id = i.item_id""",
)
