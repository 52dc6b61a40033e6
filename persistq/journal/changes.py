"""The statements that write, as constructs; `compiling` turns them into `statements`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from persistq.items import DoneKind, FailureKind
from persistq.journal import schema
from persistq.journal.base import LoadState
from persistq.journal.construct import Construct

_load, _run, _queue = schema.load, schema.run, schema.queue
_PEER = ("host", "pid", "started", "node")
_failure, _parked, _key = schema.failure, schema.parked, schema.item_key


def _ids() -> ColumnElement[int]:
    # The ids come as one JSON array: three times as fast as one execution for each.
    column: ColumnElement[int] = func.json_each(bindparam("ids")).table_valued("value").c.value
    return column


def _number(value: int) -> ColumnElement[int]:
    return literal_column(str(value))


def _ending(kind: DoneKind) -> Construct:
    rows = select(_ids(), _number(kind.value))
    return Construct(insert(schema.done_log).from_select(["item_id", "outcome"], rows))


def _between(column: Any) -> tuple[Any, Any]:
    return column > bindparam("after_id"), column <= bindparam("last_id")


def _spans_of_run(*filters: ColumnElement[bool]) -> Construct:
    found = (
        select(_queue.c.queue_id, _queue.c.next_n - literal_column("1"), _run.c.run_id)
        .join_from(_queue, _run, _queue.c.load_id == _run.c.load_id)
        .where(_run.c.run_id == bindparam("of_run"), *filters)
    )
    spans = upsert(schema.put_span).from_select(["queue_id", "put_before", "run_id"], found)
    # A run that has put nothing here leaves no trace, however often one is started.
    return Construct(
        spans.on_conflict_do_update(
            ["queue_id", "put_before"], set_={"run_id": spans.excluded.run_id}
        )
    )


# The hot path.
PUT = Construct(insert(schema.put_log), "item_id", "codec", "payload", bulk=True)
DONE = _ending(DoneKind.DONE)
DROPPED = _ending(DoneKind.DROPPED)
EXPLAIN_DROP = Construct(insert(schema.drop_reason), "item_id", "reason")
PARK = Construct(insert(_parked).from_select(["item_id"], select(_ids())))

FAIL = Construct(
    insert(_failure),
    *("run_id", "item_id", "kind", "type", "message", "traceback"),
    *("pid", "signal", "exit_code", "peak_rss", "out_of_memory", "at"),
)
EXPLAIN_FAILURES = Construct(
    update(_failure)
    .where(_failure.c.pid == bindparam("of_pid"), _failure.c.run_id == bindparam("of_run"))
    .where(_failure.c.kind != literal_column(f"'{FailureKind.EXCEPTION.value}'"))
    .where(_failure.c.exit_code.is_(None)),
    *("signal", "exit_code", "peak_rss", "out_of_memory"),
)
NOTE_ENDING = Construct(
    update(schema.worker).where(
        schema.worker.c.worker_id
        == select(func.max(schema.worker.c.worker_id))
        .where(schema.worker.c.pid == bindparam("of_pid"))
        .where(schema.worker.c.run_id == bindparam("of_run"))
        .scalar_subquery()
    ),
    "ending",
)
COUNT = Construct(
    update(_queue).where(_queue.c.queue_id == bindparam("of_queue")),
    *("next_n", "done", "dropped", "parked", "sealed_total"),
)

_taking_over = upsert(schema.writer).values(writer_id=literal_column("1"), epoch=_number(1))
TAKE_OVER = Construct(
    _taking_over.on_conflict_do_update(
        ["writer_id"],
        set_={
            "epoch": schema.writer.c.epoch + literal_column("1"),
            **{name: _taking_over.excluded[name] for name in _PEER},
        },
    ),
    *_PEER,
)
BEGIN_LOAD = Construct(insert(_load).values(state=LoadState.OPEN.value), "kind", "created_at")
END_LOAD = Construct(
    update(_load).where(_load.c.load_id == bindparam("of_load"), _load.c.ended_at.is_(None)),
    *("state", "ended_at"),
)
REOPEN_LOAD = Construct(
    update(_load)
    .where(_load.c.load_id == bindparam("of_load"), _load.c.ended_at.is_not(None))
    .values(state=LoadState.REOPENED.value, ended_at=None)
)
ADD_PARAM = Construct(insert(schema.param), "load_id", "name", "codec", "payload", "shown", "given")
BEGIN_RUN = Construct(
    insert(_run).values(reason=""),
    *("load_id", "executable", "argv", "cwd", "environment"),
    *_PEER,
    *("started_at", "seen_at", "uuid"),
)
BEGIN_SPANS = _spans_of_run()
BEGIN_SPAN = _spans_of_run(_queue.c.queue_id == bindparam("of_queue"))
END_RUN = Construct(
    update(_run).where(_run.c.run_id == bindparam("of_run")),
    *("seen_at", "ended_at", "result", "reason"),
)
SEE_RUN = Construct(
    update(_run).where(_run.c.run_id == bindparam("of_run")),
    "seen_at",
)
ADD_WORKER = Construct(
    insert(schema.worker),
    *("worker_id", "run_id", "queue_id", "host", "pid", "started", "started_at"),
)
END_WORKER = Construct(
    update(schema.worker).where(schema.worker.c.worker_id == bindparam("of_worker")),
    *("ended_at", "ending"),
)
ADD_QUEUE = Construct(
    insert(_queue).values(next_n=1, done=0, dropped=0, parked=0), "load_id", "position", "name"
)
RENAME_QUEUE = Construct(update(_queue).where(_queue.c.queue_id == bindparam("of_queue")), "name")

ATTEMPTS = Construct(
    select(_failure.c.item_id, _failure.c.kind, func.count())
    .where(*_between(_failure.c.item_id), _failure.c.forgiven == literal_column("0"))
    .where(~exists().where(schema.done_log.c.item_id == _failure.c.item_id))
    .where(~exists().where(_parked.c.item_id == _failure.c.item_id))
    .group_by(_failure.c.item_id, _failure.c.kind)
    .order_by(_failure.c.item_id, _failure.c.kind)
)
FORGIVE = Construct(
    update(_failure).where(_failure.c.item_id.in_(select(_ids()))).values(forgiven=1)
)
UNPARK = Construct(delete(_parked).where(_parked.c.item_id.in_(select(_ids()))))

CLEAR_DIGESTS = Construct(delete(_key).where(_key.c.queue_id == bindparam("of_queue")))
ADD_DIGEST = Construct(
    upsert(_key)
    .values(n=literal_column("1"))
    .on_conflict_do_update(["queue_id", "digest"], set_={"n": _key.c.n + literal_column("1")}),
    *("queue_id", "digest"),
)
TAKE_DIGEST = Construct(
    update(_key)
    .where(_key.c.queue_id == bindparam("of_queue"), _key.c.digest == bindparam("of_digest"))
    .where(_key.c.n > literal_column("0"))
    .values(n=_key.c.n - literal_column("1"))
)

MARK_REVISION = Construct(insert(schema.alembic_version), "version_num")
