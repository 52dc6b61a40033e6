"""Beginning a load, or carrying one on: from the journal to a scheduler that is ready."""

from __future__ import annotations

import random
from dataclasses import dataclass

from persistq.broker.absorb import Absorber
from persistq.broker.lane import Lane, Span
from persistq.broker.scheduler import Scheduler
from persistq.broker.wire import Opening
from persistq.errors import UsageError
from persistq.items import item_id_of
from persistq.journal.base import Command, Journal, Load, LoadState, QueueRow
from persistq.keys import PutSpan


@dataclass(slots=True)
class OpenLoad:
    """A load that a run works on.

    Attributes:
        load: The load.
        run_id: This run.
        carried_on: Whether an earlier run worked on it.
        scheduler: Knows every outstanding item, or where on disk to find it.
        absorbers: What the producers of the first queue may repeat.
        put_spans: By queue, which run has put the items that this one may hand out.
    """

    load: Load
    run_id: int
    carried_on: bool
    scheduler: Scheduler
    absorbers: dict[int, Absorber]
    put_spans: dict[int, list[PutSpan]]


def open_load(journal: Journal, opening: Opening) -> OpenLoad:
    """Carry on the unfinished load of this journal, or begin a new one.

    Crash: a load that was begun and got nothing is carried on by the next run, which costs nothing.

    Raises:
        UsageError: The unfinished load is of the other kind, or has other stages.
    """
    load, carried_on = _choose(journal, opening)
    rows = _rows(journal, load, opening)
    command = Command(
        executable=opening.executable,
        argv=tuple(opening.argv),
        cwd=opening.cwd,
        pid=opening.pid,
        environment=opening.environment,
    )
    run_id = journal.begin_run(load.load_id, command)
    scheduler = Scheduler(
        window_time=opening.window_time,
        window_max=opening.window_max,
        jitter=random.Random(),  # noqa: S311 - spreads retries, guards nothing
    )
    for row, policy in zip(rows, opening.stages, strict=True):
        scheduler.add_lane(_lane(row, opening), policy)
    for attempts in journal.failed_attempts(load.load_id) if carried_on else ():
        scheduler.remember_attempts(attempts.item_id, attempts.kind, attempts.count)
    absorbers = {rows[0].queue_id: absorber_of(journal, rows[0])}
    put_spans = {row.queue_id: _spans(journal, row) for row in rows}
    return OpenLoad(load, run_id, carried_on, scheduler, absorbers, put_spans)


def _choose(journal: Journal, opening: Opening) -> tuple[Load, bool]:
    load = journal.latest_load()
    if load is not None and opening.retry_failed and journal.unpark(load.load_id):
        load = journal.latest_load()
    if load is None or load.state is not LoadState.OPEN:
        return journal.begin_load(opening.kind), False
    if opening.fresh:
        journal.abandon_load(load.load_id)
        return journal.begin_load(opening.kind), False
    if load.kind != opening.kind:
        raise UsageError(
            f"{opening.path} holds an unfinished {load.kind}, which cannot be carried on as a "
            f"{opening.kind}: choose another name, or start anew with fresh=True"
        )
    return load, True


def _rows(journal: Journal, load: Load, opening: Opening) -> list[QueueRow]:
    rows = journal.queues(load.load_id)
    names = [stage.name for stage in opening.stages]
    if [row.name for row in rows] != names[: len(rows)]:
        raise UsageError(
            f"the unfinished load in {opening.path} has the stages "
            f"{', '.join(row.name for row in rows)}; this program has {', '.join(names)}: "
            "restore the stages, or start anew with fresh=True"
        )
    # A crash may have come between two of these; the stages that exist are a prefix then.
    for position in range(len(rows), len(names)):
        rows.append(journal.add_queue(load.load_id, position, names[position]))
    return rows


def _lane(row: QueueRow, opening: Opening) -> Lane:
    lane = Lane(row, ready_bytes_max=opening.ready_bytes_max)
    lane.resumed, lane.parked_before = row.done + row.dropped, row.parked
    everything = Span(item_id_of(row.queue_id, 0), item_id_of(row.queue_id, row.put))
    if row.outstanding and opening.hold:
        lane.hold_back(everything, row.outstanding)
    elif row.outstanding:
        lane.backlog.append(everything)
    return lane


def _spans(journal: Journal, row: QueueRow) -> list[PutSpan]:
    # In a queue that lives for years each start may have put something, and all of it is done.
    return journal.put_spans(row.queue_id, 0 if row.outstanding or row.parked else row.put)


def absorber_of(journal: Journal, row: QueueRow) -> Absorber:
    """Return an absorber for all that was ever put on a queue."""
    absorber = Absorber(journal, row.queue_id)
    absorber.expect(item_id_of(row.queue_id, 0), item_id_of(row.queue_id, row.put))
    return absorber
