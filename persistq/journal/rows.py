"""Rows to nouns, and texts to what a row can hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from persistq.items import Failure, FailureKind, item_id_of
from persistq.journal.base import (
    Command,
    Left,
    Load,
    LoadState,
    Param,
    QueueRow,
    Run,
    RunResult,
    WorkerRecord,
)
from persistq.keys import PutSpan
from persistq.peer import Peer

Row = tuple[Any, ...]

_PEER_COLUMNS = len(Peer._fields)


def now() -> str:
    """Return the present moment as the journal stores it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def storable(text: str) -> str:
    """Return a text for people with lone surrogates escaped, which SQLite cannot hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def load_from(row: Row) -> Load:
    """Make a `Load` of its columns in order."""
    load_id, kind, state, created_at, ended_at = row
    return Load(load_id, kind, LoadState(state), _time(created_at), _time_or_none(ended_at))


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


def queue_from(row: Row) -> QueueRow:
    """Make a `QueueRow` of its columns in order."""
    return QueueRow(*row)


def spans_from(queue_id: int, rows: Iterable[Row]) -> list[PutSpan]:
    """Make spans of the columns ``put_before`` and ``uuid`` of a queue."""
    return [PutSpan(item_id_of(queue_id, put_before), run) for put_before, run in rows]


def failure_from(row: Row) -> Failure:
    """Make a `Failure` of the columns from ``item_id`` to ``out_of_memory``."""
    item_id, kind, *rest = row
    failure = Failure(item_id, FailureKind(kind), *rest)
    known = None if failure.out_of_memory is None else bool(failure.out_of_memory)
    return replace(failure, out_of_memory=known)


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
    """Return the columns of a failure from ``run_id`` to ``at``."""
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
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _time_or_none(text: str | None) -> datetime | None:
    return None if text is None else _time(text)
