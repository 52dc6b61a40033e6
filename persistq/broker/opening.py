"""Beginning a load, or carrying one on: from the journal to a scheduler that is ready."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from persistq import failpoints
from persistq.broker.absorb import Absorber
from persistq.broker.choice import Choice, choose
from persistq.broker.filling import Filling
from persistq.broker.lane import Lane
from persistq.broker.policy import FailurePolicy
from persistq.broker.scheduler import Scheduler
from persistq.broker.span import Span
from persistq.broker.transitions import Transitions
from persistq.graph import Graph
from persistq.items import item_id_of
from persistq.journal.base import Command, Journal, Left, Load, Param, QueueRow
from persistq.journal.digests import Digests
from persistq.keys import PutSpan
from persistq.wire.messages import Opening, StageSpec


@dataclass(slots=True)
class OpenLoad:
    """A load that a run works on.

    Attributes:
        load: The load.
        run_id: This run.
        carried_on: Whether an earlier run worked on it.
        graph: Which of its stages feeds which.
        transitions: Knows every outstanding item, or where on disk to find it, and changes it.
        absorbers: What the producers of a queue that no stage feeds may repeat.
        put_spans: By queue, which run has put the items that this one may hand out.
        params: Its parameters.
        left: Other loads that have parked or outstanding items, oldest first.
    """

    load: Load
    run_id: int
    carried_on: bool
    graph: Graph
    transitions: Transitions
    absorbers: dict[int, Absorber]
    put_spans: dict[int, list[PutSpan]]
    params: list[Param] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


def open_load(journal: Journal, opening: Opening) -> OpenLoad:
    """Carry on a load of this journal, or begin a new one; see `persistq.broker.choice`.

    Crash: the beginning, or the carrying on, is one transaction: it is recorded with all its queues
    and its run, or nothing is. A load that was begun and got nothing is carried on by the next run.

    Raises:
        UsageError: The start does not fit the load; nothing was changed.
    """
    graph = graph_of(opening.stages)
    choice = choose(journal, opening)
    with journal.together():
        load = _load(journal, opening, choice)
        if opening.template:
            journal.note_template(opening.template)
        rows = _rows(journal, load, opening, choice)
        transitions = _transitions(journal, rows, graph, opening)
        if opening.retry_failed:
            _unpark(transitions)
            load = _reloaded(journal, load)
        run_id = journal.begin_run(load.load_id, _command(opening))
        failpoints.point("broker.before_begin")
    if choice.load is not None:
        _remember(journal, load, transitions)
    absorbers = {
        row.queue_id: absorber_of(journal, row) for row in rows if row.name in graph.entries
    }
    put_spans = {row.queue_id: _spans(journal, row) for row in rows}
    return OpenLoad(
        load,
        run_id,
        choice.load is not None,
        graph,
        transitions,
        absorbers,
        put_spans,
        list(journal.params(load.load_id).values()),
        journal.left_by_others(load.load_id),
    )


def _load(journal: Journal, opening: Opening, choice: Choice) -> Load:
    if choice.abandoned is not None:
        journal.abandon_load(choice.abandoned.load_id)
    if choice.load is None:
        return journal.begin_load(opening.kind, choice.params)
    load_id = choice.load.load_id
    if choice.load.ended_at is not None:
        journal.reopen_load(load_id)
    return _reloaded(journal, choice.load)


def _reloaded(journal: Journal, before: Load) -> Load:
    load = journal.load(before.load_id)
    assert load is not None, "it was there a moment ago, and this is its only writer"
    return load


def graph_of(stages: Sequence[StageSpec]) -> Graph:
    """Return which stages feed which: the one that follows, if a stage says nothing else.

    Raises:
        UsageError: A stage feeds one that does not exist, or itself in some steps.
    """
    chain = Graph.chain([stage.name for stage in stages])
    return Graph(
        {
            stage.name: chain.feeds[stage.name] if stage.feeds is None else tuple(stage.feeds)
            for stage in stages
        }
    )


def _transitions(
    journal: Journal, rows: Sequence[QueueRow], graph: Graph, opening: Opening
) -> Transitions:
    scheduler = Scheduler(window_time=opening.window_time, window_max=opening.window_max)
    jitter = random.Random()  # noqa: S311 - spreads retries, guards nothing
    policies = {}
    for row, stage in zip(rows, opening.stages, strict=True):
        lane = _lane(row, opening)
        if stage.batching is not None:
            lane.filling = Filling(stage.batching)
        scheduler.add_lane(lane)
        policies[row.queue_id] = FailurePolicy(stage, jitter)
    return Transitions(journal, rows, graph, scheduler, policies, _zero)


def _zero() -> float:
    """Return when the monotonic clock stood at 0, in seconds since 1970."""
    return time.time() - time.monotonic()


def _unpark(transitions: Transitions) -> None:
    for queue_id in transitions.rows:
        transitions.unpark(queue_id)
    transitions.commit()


def _remember(journal: Journal, load: Load, transitions: Transitions) -> None:
    """Take over what earlier runs have recorded about items that are outstanding still."""
    for attempts in journal.failed_attempts(load.load_id):
        transitions.remember(attempts)


def _rows(journal: Journal, load: Load, opening: Opening, choice: Choice) -> list[QueueRow]:
    journal.rename_queues(choice.renames)
    rows = journal.queues(load.load_id)
    for position in range(len(rows), len(opening.stages)):
        rows.append(journal.add_queue(load.load_id, position, opening.stages[position].name))
    return rows


def _command(opening: Opening) -> Command:
    return Command(
        executable=opening.executable,
        argv=tuple(opening.argv),
        cwd=opening.cwd,
        peer=opening.peer,
        environment=opening.environment,
    )


def _lane(row: QueueRow, opening: Opening) -> Lane:
    lane = Lane(row, ready_bytes_max=opening.ready_bytes_max)
    lane.resumed, lane.parked_before = row.done + row.dropped, row.parked
    everything = Span(item_id_of(row.queue_id, 0), item_id_of(row.queue_id, row.put))
    something = row.outstanding or (row.parked and opening.retry_failed)
    if something and opening.hold:
        lane.hold_back(everything, row.outstanding)
    elif something:
        lane.backlog.append(everything)
    return lane


def _spans(journal: Journal, row: QueueRow) -> list[PutSpan]:
    # In a queue that lives for years each start may have put something, and all of it is done.
    return journal.put_spans(row.queue_id, 0 if row.outstanding or row.parked else row.put)


def new_absorber(journal: Journal) -> Absorber:
    """Return an absorber that expects nothing yet."""
    return Absorber(journal, Digests)


def absorber_of(journal: Journal, row: QueueRow) -> Absorber:
    """Return an absorber for all that was ever put on a queue."""
    absorber = new_absorber(journal)
    after = item_id_of(row.queue_id, 0)
    # What was put by hand is no put of a program, so none repeats it.
    for by_hand in journal.replacements(row.queue_id):
        absorber.expect(after, by_hand - 1)
        after = by_hand
    absorber.expect(after, item_id_of(row.queue_id, row.put))
    return absorber
