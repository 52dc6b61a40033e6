"""A journal that is sound and has everything: rows in every table, and every way they can be."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

from persistq.blocks import Block, Origin, block_of
from persistq.items import item_id_of
from persistq.journal import marks, schema
from persistq.journal.pages import SPOOL_SHIFT
from persistq.pickles import OwnModules, pickled

TIME = "2026-11-28T19:30:00.000000+00:00"
LATER = "2026-11-28T19:31:07.250000+00:00"
_EMPTY = Block(0, 0, b"", 0)


class Row(dict[str, Any]):
    """A row in a file that was opened by somebody who did not make it: with a name of its own."""


def _own(n: int) -> bytes:
    payload, has_own_names = pickled(Row(n=n), OwnModules(__name__, __name__))
    assert has_own_names
    return payload


DIGESTS = b"".join(bytes([n]) * 16 for n in range(1, 10))
"""Of some natural keys, one after the other."""


def keyed(first: int, block: Block) -> Block:
    """Return a block with natural keys, from one on."""
    return block._replace(digests=DIGESTS[16 * (first - 1) : 16 * (first - 1 + block.count)])


def json_block(*values: int) -> Block:
    """Return a block of numbers."""
    return block_of(0, [str(value).encode() for value in values])


class Writer:
    """Writes rows as a broker would, and keeps the counters that they need.

    Args:
        connection: A journal without rows.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.run_id = 0
        self.turn_id = 0
        self.counts: dict[int, dict[str, int]] = {}

    def insert(self, table: str, **values: Any) -> int:
        """Add a row, and return its number."""
        marks_ = ", ".join(f":{name}" for name in values)
        text = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks_})"
        return int(self.connection.execute(text, values).lastrowid or 0)

    def load(self, kind: str, *stages: str) -> tuple[int, list[int]]:
        """Begin a load with its stages."""
        load_id = self.insert("load", kind=kind, state="open", created_at=TIME)
        queues = []
        for position, name in enumerate(stages):
            counts = {"next_n": 1, "done": 0, "dropped": 0, "parked": 0, "bytes": 0}
            queues.append(
                self.insert("queue", load_id=load_id, position=position, name=name, **counts)
            )
            self.counts[queues[-1]] = counts
        for pair in pairwise(queues) if kind == "pipeline" else ():
            self.route(*pair)
        return load_id, queues

    def route(self, queue_id: int, target_id: int, kind: str = "feeds") -> None:
        """Add a way from a stage to another one."""
        self.insert("route", queue_id=queue_id, target_id=target_id, kind=kind)

    def run(self, load_id: int, result: str | None = None) -> None:
        """Begin a run, and a turn of it with its first put; it is over if it has a result."""
        self.run_id = self.insert(
            "run",
            load_id=load_id,
            executable='"/usr/bin/python3"',
            argv='["etl.py", "caf\\udce9"]',
            cwd='"/srv"',
            environment='{"PERSISTQ_WORKERS": "4"}',
            **self._process(),
            node="node",
            started_at=TIME,
            seen_at=LATER,
            ended_at=LATER if result else None,
            result=result,
            reason="",
            uuid=f"{self.run_id + 1:032x}",
        )
        for queue_id, load in self.connection.execute("SELECT queue_id, load_id FROM queue"):
            if load == load_id:
                put = self.counts[queue_id]["next_n"] - 1
                self.connection.execute(
                    "INSERT OR REPLACE INTO put_span VALUES (?, ?, ?)", (queue_id, put, self.run_id)
                )

    def turn(self) -> None:
        """Begin a turn, in which something is to be put or to end."""
        self.turn_id += 2
        at = 1_790_000_000_000 + 10 * self.turn_id
        self.insert("turn", turn_id=self.turn_id, run_id=self.run_id, at=at)

    def put(
        self,
        queue_id: int,
        block: Block,
        origin: Origin | None = None,
        count: int = 0,
        spool_id: int | None = None,
    ) -> int:
        """Put a block, or publish so many items of a spool; return the id of the first item."""
        count = count or block.count
        first_id = item_id_of(queue_id, self.counts[queue_id]["next_n"])
        self.insert(
            "put_block",
            first_id=first_id,
            count=count,
            codec=block.codec,
            data=block.data,
            crc=block.crc,
            turn_id=self.turn_id,
            origin=origin and origin.item_id,
            steps=origin and origin.steps,
            spool_id=spool_id,
            digests=block.digests,
        )
        self._count(queue_id, next_n=count, bytes=len(block.data) + self._spooled(spool_id))
        self.event("put", first_id, first_id + count - 1)
        self._set(queue_id, told=self.counts[queue_id]["next_n"] - 1)
        return first_id

    def _spooled(self, spool_id: int | None) -> int:
        """Return how many bytes lie in a spool."""
        text = "SELECT total(length(data)) FROM spool_block WHERE place >> ? = ?"
        return int(self.connection.execute(text, (SPOOL_SHIFT, spool_id)).fetchone()[0])

    def end(self, queue_id: int, first: int, last: int, outcome: int = 0) -> None:
        """Items are done, or dropped."""
        ids = {"first_id": item_id_of(queue_id, first), "last_id": item_id_of(queue_id, last)}
        self.insert("done_range", **ids, outcome=outcome, turn_id=self.turn_id)
        self._count(queue_id, **{("done", "dropped")[outcome]: last - first + 1})

    def event(self, kind: str, first_id: int, last_id: int, failure_id: int | None = None) -> None:
        """Something happens to items."""
        ids = {"first_id": first_id, "last_id": last_id, "failure_id": failure_id}
        self.insert("event", kind=kind, at=1_790_000_000_000, **ids)

    def fail(self, item_id: int, kind: str = "exception", **values: Any) -> None:
        """An attempt fails."""
        texts = {"type": "ValueError", "message": "no", "traceback": "Traceback ..."}
        failure_id = self.insert(
            "failure",
            run_id=self.run_id,
            item_id=item_id,
            kind=kind,
            pid=4712,
            at=TIME,
            **texts,
            **values,
        )
        if kind != "deferred":
            self.event("failed", item_id, item_id, failure_id)

    def park(self, queue_id: int, n: int) -> None:
        """An attempt fails, and it was the last one."""
        self.fail(item_id_of(queue_id, n), "crash", signal=9, out_of_memory=1, peak_rss=1 << 30)
        self.insert("parked", item_id=item_id_of(queue_id, n))
        self.event("parked", item_id_of(queue_id, n), item_id_of(queue_id, n))
        self._count(queue_id, parked=1)

    def cursor(
        self, queue_id: int, put: int, value: Block, duplicates: int = 0, skipped: int = 0
    ) -> None:
        """A source says how far it has come."""
        columns = {"codec": value.codec, "data": value.data, "crc": value.crc}
        counts = {"put": put, "duplicates": duplicates, "skipped": skipped}
        self.insert("cursor", source_id=self.source(queue_id), **counts, **columns)

    def source(self, queue_id: int, ended: int = 1) -> int:
        """Return the source of a queue; it is made if there is none."""
        text = "SELECT source_id FROM source WHERE queue_id = ?"
        if found := self.connection.execute(text, (queue_id,)).fetchone():
            return int(found[0])
        return self.insert("source", queue_id=queue_id, name=f"rows of {queue_id}", ended=ended)

    def keys(self, queue_id: int, duplicates: int, skipped: int, noted: int) -> None:
        """A queue has natural keys, and what it has done is noted up to an item."""
        self._set(queue_id, keyed=1, once=1, duplicates=duplicates, skipped=skipped, noted=noted)

    def done_keys(self, first_id: int, digests: bytes) -> None:
        """It is noted which natural keys of a block were done."""
        self.insert("done_key", first_id=first_id, digests=digests, crc=crc32(digests))

    def by_hand(self, item_id: int, deed: str, replacement: int | None = None) -> None:
        """Somebody does something to an item."""
        self.insert("by_hand", item_id=item_id, deed=deed, at=LATER, replacement=replacement)

    def spool(self, item_id: int, blocks: Sequence[Block], *, published: bool) -> int:
        """Put blocks aside; return the number of their spool."""
        count = sum(block.count for block in blocks)
        spool_id = self.insert("spool", item_id=item_id, count=count if published else None)
        place = spool_id << SPOOL_SHIFT
        for block in blocks:
            columns = {"codec": block.codec, "data": block.data, "crc": block.crc}
            self.insert("spool_block", place=place, count=block.count, **columns)
            place += block.count
        return spool_id

    def worker(self, queue_id: int, ending: str | None) -> None:
        """A worker begins, and may have ended."""
        self.insert(
            "worker",
            run_id=self.run_id,
            queue_id=queue_id,
            started_at=TIME,
            **self._process(),
            ended_at=LATER if ending else None,
            ending=ending,
        )

    def seal(self, *queues: int) -> None:
        """Nothing more comes on these queues."""
        for queue_id in queues:
            self._set(queue_id, sealed_total=self.counts[queue_id]["next_n"] - 1)

    def end_load(self, load_id: int, state: str, ended_at: str | None = LATER) -> None:
        """A load has another state."""
        self.connection.execute(
            "UPDATE load SET state = ?, ended_at = ? WHERE load_id = ?", (state, ended_at, load_id)
        )
        if ended_at is not None:
            self.insert("event", kind=state, at=1_790_000_000_000, load_id=load_id)

    def _count(self, queue_id: int, **more: int) -> None:
        counts = self.counts[queue_id]
        for name, number in more.items():
            counts[name] += number
        self._set(queue_id, **counts)

    def _set(self, queue_id: int, **values: int) -> None:
        text = ", ".join(f"{name} = :{name}" for name in values)
        self.connection.execute(
            f"UPDATE queue SET {text} WHERE queue_id = :queue_id", {**values, "queue_id": queue_id}
        )

    def _process(self) -> dict[str, Any]:
        return {"host": "host", "pid": 4711, "started": 5}


def write_sound_journal(path: Path) -> None:
    """Write a journal that `check_journal` finds nothing in.

    Args:
        path: Where there is nothing yet.
    """
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute(f"PRAGMA application_id = {marks.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {marks.SCHEMA_VERSION}")
        for text in (*schema.TABLES, *schema.TRIGGERS, *schema.VIEWS):
            connection.execute(text)
        connection.execute(
            "INSERT INTO alembic_version VALUES (?)", (marks.revision_of(marks.SCHEMA_VERSION),)
        )
        writer = Writer(connection)
        writer.insert("journal", journal_id=1, uuid="0123456789abcdef" * 2, created_at=TIME)
        writer.insert("writer", writer_id=1, epoch=7, node="node", **writer._process())
        _purged(writer)
        _settled(writer)
        _abandoned(writer)
        _reopened(writer)
        _open(writer)
        connection.commit()
    path.chmod(0o600)


def _purged(writer: Writer) -> None:
    """A load of which only a parked item is left."""
    load_id, [queue_id] = writer.load("pipeline", "store")
    writer.run(load_id, "done")
    writer.turn()
    first_id = writer.put(queue_id, keyed(1, json_block(1, 2, 3, 4)))
    writer.put(queue_id, keyed(5, block_of(1, [pickle.dumps({5: (6, 7)}, 5)])))
    writer.keys(queue_id, 2, 0, 5)
    writer.done_keys(first_id, DIGESTS[:48])
    writer.end(queue_id, 1, 3)
    writer.end(queue_id, 4, 4, 1)
    writer.park(queue_id, 5)
    writer.worker(queue_id, "left")
    writer.seal(queue_id)
    writer.end_load(load_id, "settled")
    writer.connection.execute("DELETE FROM done_range")
    writer.connection.execute("DELETE FROM put_block WHERE codec = 0")
    writer.connection.execute("UPDATE load SET purged_at = ?", (LATER,))


def _settled(writer: Writer) -> None:
    """A load of two stages, in which all has gone well but for one item."""
    load_id, [first, second] = writer.load("pipeline", "parse", "store")
    writer.insert(
        "param", load_id=load_id, name="day", codec=0, payload=b'"mon"', shown="mon", given=1
    )
    writer.insert(
        "param", load_id=load_id, name="key", codec=2, payload=_own(1), shown="***", given=0
    )
    writer.run(load_id, "interrupted")
    writer.turn()
    first_id = writer.put(first, keyed(1, json_block(1, 2, 3)))
    writer.run(load_id, "failed")
    writer.turn()
    writer.put(first, keyed(6, block_of(2, [_own(4), _own(5)])))
    writer.cursor(first, 4, block_of(2, [_own(6)]), duplicates=1, skipped=1)
    writer.keys(first, 2, 1, 3)
    writer.done_keys(first_id, DIGESTS[:32])
    writer.end(first, 1, 2)
    writer.put(second, json_block(10, 11, 20, 21), Origin(item_id_of(first, 1), b"\0\1\0"))
    writer.turn()
    writer.end(first, 3, 3, 1)
    writer.insert("drop_reason", item_id=item_id_of(first, 3), reason="a duplicate")
    writer.by_hand(item_id_of(first, 3), "dropped")
    writer.end(first, 4, 4)
    writer.put(second, json_block(40), Origin(item_id_of(first, 4)))
    writer.park(first, 5)
    writer.end(second, 1, 5)
    writer.route(second, first, "puts")
    made = writer.put(first, keyed(9, json_block(50)), Origin(item_id_of(second, 5)))
    writer.insert("source_span", first_id=made, source_id=None)
    writer.end(first, 6, 6)
    writer.worker(first, "exit code 1")
    writer.seal(first, second)
    writer.end_load(load_id, "settled")
    writer.run(load_id, "done")


def _abandoned(writer: Writer) -> None:
    """A load that nobody carries on."""
    load_id, [queue_id] = writer.load("queue", "jobs")
    writer.run(load_id)
    writer.turn()
    writer.put(queue_id, block_of(1, [pickle.dumps((n, "text"), 5) for n in range(3)]))
    writer.end(queue_id, 1, 1)
    writer.end_load(load_id, "abandoned")


def _reopened(writer: Writer) -> None:
    """A load whose failed item is tried once more."""
    load_id, [queue_id] = writer.load("queue", "jobs")
    writer.run(load_id, "done")
    writer.turn()
    writer.put(queue_id, json_block(1, 2))
    writer.end(queue_id, 1, 1)
    writer.fail(item_id_of(queue_id, 2), "timeout", forgiven=1)
    writer.by_hand(item_id_of(queue_id, 2), "retried")
    writer.seal(queue_id)
    writer.end_load(load_id, "reopened", None)
    writer.run(load_id)


def _times(writer: Writer, *queues: int) -> None:
    """What was measured of stages in the latest run."""
    ids = {"run_id": writer.run_id}
    for queue_id in queues:
        counts = '{"0": 3, "31": 1}'
        writer.insert("timing", **ids, queue_id=queue_id, worked=2.5, waited=0.25, counts=counts)
    writer.insert("slow", **ids, item_id=item_id_of(queues[0], 4), seconds=2.25)
    for tick in (0, 1):
        at = 1_790_000_000_000 + 1_000 * tick
        writer.insert("sample", **ids, tick=tick, at=at, broker_rss=1 << 24)
        for queue_id in queues:
            counts = {"put": 8, "done": tick, "dropped": 0, "parked": 0}
            times = {"worked": 1.5, "waited": 0.25, "rss": 1 << 25}
            writer.insert("stage_sample", **ids, tick=tick, queue_id=queue_id, **counts, **times)


def _open(writer: Writer) -> None:
    """A load at work, with large outputs."""
    load_id, [files, rows, store] = writer.load("pipeline", "files", "rows", "store")
    writer.run(load_id)
    writer.turn()
    writer.put(files, json_block(*range(1, 9)))
    writer.cursor(files, 8, json_block(80))
    writer.seal(files)
    writer.turn()
    writer.end(files, 1, 3)
    writer.put(rows, json_block(1, 2, 3), Origin(item_id_of(files, 1), b"\1"))
    writer.put(rows, json_block(30), Origin(item_id_of(files, 3)))
    writer.worker(files, "signal 9")
    writer.run(load_id)
    writer.turn()
    aside = [json_block(41, 42), block_of(1, [pickle.dumps((4, n), 5) for n in range(3)])]
    spool_id = writer.spool(item_id_of(files, 4), aside, published=True)
    writer.put(rows, _EMPTY, Origin(item_id_of(files, 4)), 5, spool_id)
    writer.end(files, 4, 4)
    writer.spool(item_id_of(files, 5), [json_block(51, 52), json_block(53)], published=False)
    streamed = writer.put(rows, json_block(61, 62, 63), Origin(item_id_of(files, 6)))
    writer.insert("streamed", item_id=item_id_of(files, 6), first_id=streamed, last_id=streamed + 2)
    value = json_block(70)
    columns = {"codec": value.codec, "data": value.data, "crc": value.crc}
    writer.insert("checkpoint", item_id=item_id_of(files, 7), **columns)
    for n, (number, text) in enumerate([(1, "at work"), (2, "")], 7):
        ids = {"item_id": item_id_of(files, n), "run_id": writer.run_id}
        writer.insert("printed", **ids, stream=number, text=text, at=TIME)
    _times(writer, files, rows)
    late = writer.source(rows, ended=0)
    writer.insert("source_span", first_id=item_id_of(rows, 1), source_id=None)
    first = writer.put(rows, json_block(71, 72))
    writer.insert("source_span", first_id=first, source_id=late)
    writer.cursor(rows, writer.counts[rows]["next_n"] - 1, json_block(72))
    writer.fail(item_id_of(files, 7), retry_at=LATER)
    writer.fail(item_id_of(files, 8), "suspect", signal=9, exit_code=-9)
    writer.fail(item_id_of(files, 8), "deferred", retry_at=LATER)
    writer.turn()
    writer.end(rows, 1, 1)
    writer.put(store, json_block(100), Origin(item_id_of(rows, 1)))
    writer.park(rows, 3)
    writer.worker(rows, None)
