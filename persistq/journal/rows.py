"""Rows to nouns, and texts to what a row can hold."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from persistq.blocks import Block, Origin
from persistq.items import Failure, FailureKind, IdRange, item_id_of
from persistq.journal.attempts import Attempts, Delay
from persistq.journal.batch import Published, Put, Spooled
from persistq.journal.load import EndedLoad, Left, Load, LoadState, Param
from persistq.journal.pages import SPOOL_SHIFT
from persistq.journal.queuerow import QueueRow
from persistq.journal.route import Route, RouteKind
from persistq.journal.run import Command, Run, RunResult, WorkerRecord
from persistq.journal.sourcerow import Cursor, SourceRow
from persistq.keys import PutSpan
from persistq.peer import Peer
from persistq.timings import Sample, StageTimes

Row = tuple[Any, ...]

_PEER_COLUMNS = len(Peer._fields)

_LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def now() -> str:
    """Return the present moment as the journal stores it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def time_of(seconds: float | None) -> str | None:
    """Return a moment, in seconds since 1970, as the journal stores it."""
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(min(seconds, _LATEST), UTC)
    return moment.isoformat(timespec="microseconds")


def seconds_from(text: str | None) -> float | None:
    """Return a stored moment in seconds since 1970."""
    return None if text is None else _time(text).timestamp()


def storable(text: str) -> str:
    """Return a text for people with lone surrogates escaped, which SQLite cannot hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def load_from(row: Row) -> Load:
    """Make a `Load` of its columns in order."""
    load_id, kind, state, *times = row
    created, ended, purged = map(_time_or_none, times)
    assert created is not None
    return Load(load_id, kind, LoadState(state), created, ended, purged)


def param_from(row: Row) -> Param:
    """Make a `Param` of its columns from ``name`` on."""
    name, codec, payload, shown, given = row
    return Param(name, codec, payload, shown, bool(given))


def param_row(load_id: int, param: Param) -> Row:
    """Return the columns of a parameter."""
    given = int(param.given)
    return load_id, param.name, param.codec, param.payload, storable(param.shown), given


def left_from(row: Row) -> Left:
    """Make a `Left` of a load's number, its state and its counts."""
    load_id, state, parked, outstanding = row
    return Left(load_id, LoadState(state), parked, outstanding)


def run_from(row: Row) -> Run:
    """Make a `Run` of its columns in order."""
    run_id, load_id, executable, argv, cwd, environment, *rest = row
    began, _seen, ended, result, reason, uuid = rest[_PEER_COLUMNS:]
    command = Command(
        executable=json.loads(executable),
        argv=tuple(json.loads(argv)),
        cwd=json.loads(cwd),
        peer=peer_from(rest[:_PEER_COLUMNS]),
        environment=json.loads(environment),
    )
    return Run(
        run_id=run_id,
        load_id=load_id,
        command=command,
        started_at=_time(began),
        ended_at=_time_or_none(ended),
        result=RunResult(result) if result is not None else None,
        reason=reason,
        uuid=uuid,
    )


def command_values(command: Command) -> dict[str, Any]:
    """Return the columns of a command.

    JSON escapes what is not UTF-8, so that every path and argument comes back as it was.
    """
    return {
        "executable": json.dumps(command.executable),
        "argv": json.dumps(command.argv),
        "cwd": json.dumps(command.cwd),
        "environment": json.dumps(dict(command.environment)),
        **peer_values(command.peer),
    }


def peer_values(peer: Peer) -> dict[str, Any]:
    """Return the columns of a process, with what people call its host."""
    texts = {"host": storable(peer.host), "node": storable(peer.node)}
    return {**texts, "pid": peer.pid, "started": peer.started}


def peer_from(row: Sequence[Any]) -> Peer:
    """Make a `Peer` of the columns ``host``, ``pid``, ``started`` and ``node``."""
    return Peer(*row)


def ended_from(row: Row) -> EndedLoad:
    """Make an `EndedLoad` of its columns in order."""
    load_id, state, ended, size, outstanding = row
    return EndedLoad(load_id, LoadState(state), _time(ended), size, outstanding)


def queue_from(row: Row) -> QueueRow:
    """Make a `QueueRow` of its columns in order."""
    *columns, keyed, once, duplicates, skipped, worked = row
    queue = QueueRow(*columns)
    queue.keyed, queue.once = bool(keyed), bool(once)
    queue.duplicates, queue.skipped, queue.worked = duplicates, skipped, worked
    return queue


def route_from(row: Row) -> Route:
    """Make a route of its columns."""
    queue_id, target_id, kind = row
    return Route(queue_id, target_id, RouteKind(kind))


def spans_from(queue_id: int, rows: Iterable[Row]) -> list[PutSpan]:
    """Make spans of the columns ``put_before`` and ``uuid`` of a queue."""
    return [PutSpan(item_id_of(queue_id, put_before), run) for put_before, run in rows]


def failure_from(row: Row) -> Failure:
    """Make a `Failure` of the columns from ``item_id`` to ``retry_at``."""
    item_id, kind, *rest, killed, retry_at = row
    known = None if killed is None else bool(killed)
    last: list[Any] = [known, seconds_from(retry_at)]
    return Failure(item_id, FailureKind(kind), *rest, *last)


def attempts_from(row: Row) -> Attempts:
    """Make `Attempts` of an item, a kind, how many, when it failed last and is tried again.

    A clock that has been set back since then does not make the wait longer than it was to be.
    """
    item_id, kind, count, failed_at, retry_at = row
    failed, again = seconds_from(failed_at), seconds_from(retry_at)
    if failed is not None and again is not None:
        again = min(again, time.time() + again - failed)
    return Attempts(item_id, FailureKind(kind), count, again)


def delay_from(row: Row) -> Delay:
    """Make a `Delay` of a block's first and last item, when it is due and when it was put.

    A clock that has been set back since then does not make the wait longer than it was to be.
    """
    first, last, due, put_at = row
    return Delay(IdRange(first, last), min(due / 1000, time.time() + (due - put_at) / 1000))


def times_rows(run_id: int | None, times: Iterable[StageTimes]) -> list[Row]:
    """Return the columns of what was measured of stages in a run."""
    return [
        (run_id, one.queue_id, one.worked, one.waited, json.dumps(one.counts, sort_keys=True))
        for one in times
    ]


def times_from(row: Row) -> StageTimes:
    """Make a `StageTimes` of its columns from ``queue_id`` on."""
    queue_id, worked, waited, counts = row
    by_bucket = Counter({int(bucket): count for bucket, count in json.loads(counts).items()})
    return StageTimes(queue_id, worked, waited, by_bucket)


def sample_rows(run_id: int | None, sample: Sample) -> tuple[Row, list[Row]]:
    """Return the columns of a sample, and of each of its stages."""
    at = round(sample.at * 1000)
    stages: list[Row] = [(run_id, sample.tick, *stage) for stage in sample.stages]
    return (run_id, sample.tick, at, sample.broker_rss), stages


def worker_row(run_id: int | None, at: str, worker: WorkerRecord) -> Row:
    """Return the columns of a worker from ``worker_id`` to ``started_at``."""
    peer = worker.peer
    return (
        worker.worker_id,
        run_id,
        worker.queue_id,
        storable(peer.host),
        peer.pid,
        peer.started,
        at,
    )


def failure_row(run_id: int | None, at: str, failure: Failure) -> Row:
    """Return the columns of a failure from ``run_id`` to ``retry_at``."""
    return (
        run_id,
        failure.item_id,
        failure.kind,
        storable(failure.type),
        storable(failure.message),
        storable(failure.traceback),
        failure.pid,
        failure.signal,
        failure.exit_code,
        failure.peak_rss,
        failure.out_of_memory,
        at,
        time_of(failure.retry_at),
    )


def put_row(turn_id: int, put: Put) -> Row:
    """Return the columns of a block of items."""
    origin, steps = put.origin or (None, None)
    return (put.first_id, *put.block, turn_id, origin, steps, None)


def source_from(row: Row) -> SourceRow:
    """Make a `SourceRow` of its columns."""
    source_id, queue_id, name, ended = row
    return SourceRow(source_id, queue_id, name, bool(ended))


def cursor_row(source_id: int, cursor: Cursor) -> Row:
    """Return the columns of a cursor."""
    put, value, duplicates, skipped = cursor
    return (source_id, put, duplicates, skipped, value.codec, value.data, value.crc)


def cursor_from(row: Row) -> Cursor:
    """Make a `Cursor` of its columns from ``put`` on."""
    put, duplicates, skipped, *value = row
    return Cursor(put, Block(1, *value), duplicates, skipped)


def published_row(turn_id: int, published: Published) -> Row:
    """Return the columns of a block whose items lie in a spool."""
    first_id, count, spool_id, item_id = published
    block = Block(count, 0, b"", 0)
    return (first_id, *block, turn_id, item_id, Origin(item_id).steps, spool_id)


def spooled_row(spooled: Spooled) -> Row:
    """Return the columns of a block in a spool."""
    count, codec, data, crc, *_ = spooled.block
    return (spooled.spool_id << SPOOL_SHIFT | spooled.before, count, codec, data, crc)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _time_or_none(text: str | None) -> datetime | None:
    return None if text is None else _time(text)
