"""The queries, as constructs; `compiling` turns them into `statements`."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, bindparam, exists, func, literal_column, select

from persistq.journal import schema
from persistq.journal.base import LoadState
from persistq.journal.construct import Construct

_put, _done, _parked = schema.put_log.c, schema.done_log.c, schema.parked.c
_failure = schema.failure.c
_queue, _param = schema.queue.c, schema.param.c
_NONE: ColumnElement[int] = literal_column("0")
_parked_in_load = func.sum(_queue.parked)
_outstanding_in_load = func.sum(
    _queue.next_n - literal_column("1") - _queue.done - _queue.dropped - _queue.parked
)


def _page(*filters: object) -> Select[tuple[int, int, bytes]]:
    return (
        select(_put.item_id, _put.codec, _put.payload)
        .where(_put.item_id > bindparam("after_id"), _put.item_id <= bindparam("last_id"))
        .where(*filters)  # type: ignore[arg-type]
        .order_by(_put.item_id)
        .limit(bindparam("most"))
    )


_IS_PARKED = exists().where(_parked.item_id == _put.item_id)

PUT_PAGE = Construct(_page())
OUTSTANDING_PAGE = Construct(_page(~exists().where(_done.item_id == _put.item_id), ~_IS_PARKED))
PARKED_PAGE = Construct(
    select(_put.item_id, _put.codec, _put.payload)
    .select_from(schema.parked.join(schema.put_log, _parked.item_id == _put.item_id))
    .where(_parked.item_id > bindparam("after_id"), _parked.item_id <= bindparam("last_id"))
    .order_by(_parked.item_id)
    .limit(bindparam("most"))
)
EPOCH = Construct(select(schema.writer.c.epoch))
WRITER = Construct(
    select(schema.writer.c.host, schema.writer.c.pid, schema.writer.c.started, schema.writer.c.node)
)
LATEST_LOAD = Construct(
    select(schema.load).order_by(schema.load.c.load_id.desc()).limit(bindparam("most"))
)
OPEN_LOAD = Construct(
    select(schema.load)
    .where(schema.load.c.state == LoadState.OPEN.value)
    .order_by(schema.load.c.load_id.desc())
    .limit(bindparam("most"))
)
LOADS = Construct(select(schema.load).order_by(schema.load.c.load_id))
LOAD = Construct(select(schema.load).where(schema.load.c.load_id == bindparam("of_load")))
LEFT = Construct(
    select(schema.load.c.load_id, schema.load.c.state, _parked_in_load, _outstanding_in_load)
    .join_from(schema.load, schema.queue)
    .where(schema.load.c.load_id != bindparam("but_load"))
    .group_by(schema.load.c.load_id)
    .having((_parked_in_load > _NONE) | (_outstanding_in_load > _NONE))
    .order_by(schema.load.c.load_id)
)
PARAMS = Construct(
    select(_param.name, _param.codec, _param.payload, _param.shown, _param.given)
    .where(_param.load_id == bindparam("of_load"))
    .order_by(_param.name)
)
LAST_RUN = Construct(
    select(schema.run).order_by(schema.run.c.run_id.desc()).limit(bindparam("most"))
)
RUNS = Construct(
    select(schema.run)
    .where(schema.run.c.load_id == bindparam("of_load"))
    .order_by(schema.run.c.run_id)
)
LATEST_RUN = Construct(
    select(schema.run).where(
        schema.run.c.run_id
        == select(func.max(schema.run.c.run_id))
        .where(schema.run.c.load_id == bindparam("of_load"))
        .scalar_subquery()
    )
)
QUEUES = Construct(
    select(schema.queue)
    .where(schema.queue.c.load_id == bindparam("of_load"))
    .order_by(schema.queue.c.position)
)
PUT_SPANS = Construct(
    select(schema.put_span.c.put_before, schema.run.c.uuid)
    .join_from(schema.put_span, schema.run)
    .where(schema.put_span.c.queue_id == bindparam("of_queue"))
    .where(schema.put_span.c.put_before >= bindparam("least"))
    .order_by(schema.put_span.c.put_before)
)
FAILURES = Construct(
    select(
        _failure.item_id,
        _failure.kind,
        _failure.type,
        _failure.message,
        _failure.traceback,
        _failure.pid,
        _failure.signal,
        _failure.exit_code,
        _failure.peak_rss,
        _failure.out_of_memory,
    )
    .where(_failure.item_id == bindparam("of_item"))
    .order_by(_failure.failure_id)
)

LATEST_FAILURES = Construct(
    select(
        _put.codec,
        _put.payload,
        _failure.at,
        _failure.item_id,
        _failure.kind,
        _failure.type,
        _failure.message,
        _failure.traceback,
        _failure.pid,
        _failure.signal,
        _failure.exit_code,
        _failure.peak_rss,
    )
    .select_from(schema.failure.join(schema.put_log, _failure.item_id == _put.item_id))
    .where(_failure.item_id > bindparam("after_id"), _failure.item_id <= bindparam("last_id"))
    .order_by(_failure.failure_id.desc())
    .limit(bindparam("most"))
)

LAST_WORKER = Construct(select(func.coalesce(func.max(schema.worker.c.worker_id), _NONE)))
PARKED_IDS = Construct(
    select(_parked.item_id)
    .where(_parked.item_id > bindparam("after_id"), _parked.item_id <= bindparam("last_id"))
    .order_by(_parked.item_id)
)
