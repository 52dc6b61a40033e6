"""Beginning a load, or carrying one on: from the journal to a scheduler that is ready."""

from __future__ import annotations

import os
import random
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from persistq import failpoints
from persistq.broker.absorb import Absorber
from persistq.broker.capacity import Capacity
from persistq.broker.choice import Choice, choose
from persistq.broker.filling import Filling
from persistq.broker.gathering import Gathering
from persistq.broker.lane import Lane
from persistq.broker.metering import Meter
from persistq.broker.policy import FailurePolicy
from persistq.broker.ranking import Ranking
from persistq.broker.requeuing import Requeuing
from persistq.broker.scheduler import Scheduler
from persistq.broker.shape import graph_of, passing_of, routes_of
from persistq.broker.sources import Sources, add_missing, put_by, sources_of, spec_of
from persistq.broker.space import Space
from persistq.broker.span import Span
from persistq.broker.timing import Slowest
from persistq.broker.transitions import Transitions
from persistq.broker.uniqueness import Uniqueness
from persistq.graph import Graph
from persistq.items import item_id_of
from persistq.journal.base import Journal
from persistq.journal.digests import Digests
from persistq.journal.load import Left, Load, Param
from persistq.journal.queuerow import QueueRow
from persistq.journal.route import Route
from persistq.journal.run import Command
from persistq.journal.sourcerow import SourceRow
from persistq.keys import PutSpan
from persistq.rate import Rate
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
        absorbers: What may be put again, by queue and source; 0 for what no source puts.
        requeuing: By source, what it has put lately, where that is not put again.
        put_spans: By queue, which run has put the items that this one may hand out.
        space: The disk that the journal is on.
        params: Its parameters.
        left: Other loads that have parked or outstanding items, oldest first.
    """

    load: Load
    run_id: int
    carried_on: bool
    graph: Graph
    transitions: Transitions
    absorbers: dict[tuple[int, int], Absorber]
    requeuing: dict[int, Requeuing]
    put_spans: dict[int, list[PutSpan]]
    space: Space
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
    space = _space(opening)
    with journal.together():
        load = _load(journal, opening, choice)
        if opening.template:
            journal.note_template(opening.template)
        rows = _rows(journal, load, opening, choice)
        results = [stage.name for stage in opening.stages if stage.results]
        passes = [stage.passes for stage in opening.stages if stage.passes]
        routes = routes_of(graph, rows, results, passes)
        _keep_routes(journal, load, routes)
        kept = add_missing(journal, opening, rows, _sources(journal, load, choice))
        sources = sources_of(journal, rows, kept)
        transitions = _transitions(journal, rows, graph, opening, space, sources)
        stages = [*zip(rows, opening.stages, strict=True)]
        transitions.hooks.when = {row.queue_id: stage.hook for row, stage in stages if stage.hook}
        transitions.passing.begin(passing_of(routes))
        transitions.intake.results = {row.queue_id for row, stage in stages if stage.results}
        if opening.retry_failed:
            _unpark(transitions)
        transitions.seals.fit()
        transitions.commit()
        if opening.retry_failed:
            load = _reloaded(journal, load)
        run_id = journal.begin_run(load.load_id, _command(opening))
        failpoints.point("broker.before_begin")
    if choice.load is not None:
        _remember(journal, load, transitions)
    _find_cursors(journal, opening, transitions)
    _know_keys(journal, rows, opening, transitions)
    _expect_keys(opening, transitions, graph.entries)
    absorbers = _absorbers(journal, opening, transitions, graph.entries)
    put_spans = {row.queue_id: _spans(journal, row) for row in rows}
    return OpenLoad(
        load,
        run_id,
        choice.load is not None,
        graph,
        transitions,
        absorbers,
        _requeuing(journal, opening, transitions),
        put_spans,
        space,
        list(journal.params(load.load_id).values()),
        journal.left_by_others(load.load_id),
    )


def _keep_routes(journal: Journal, load: Load, routes: list[Route]) -> None:
    if journal.routes(load.load_id) != routes:
        journal.set_routes(load.load_id, routes)


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


def _transitions(
    journal: Journal,
    rows: Sequence[QueueRow],
    graph: Graph,
    opening: Opening,
    space: Space,
    sources: Sources,
) -> Transitions:
    scheduler = Scheduler(window_time=opening.window_time, window_max=opening.window_max)
    jitter = random.Random()  # noqa: S311 - spreads retries, guards nothing
    policies = {}
    for row, stage in zip(rows, opening.stages, strict=True):
        lane = _lane(row, opening)
        lane.capacity = _capacity(row, stage, space)
        if stage.batching is not None:
            lane.filling = Filling(stage.batching)
        if stage.groups:
            lane.gathering = Gathering()
            if lane.capacity is not None:
                lane.capacity.gathering = lane.gathering
        if stage.ordered:
            lane.ranking = Ranking()
        lane.last, lane.results = bool(stage.hook), stage.results
        scheduler.add_lane(lane)
        policies[row.queue_id] = FailurePolicy(stage, jitter)
    _connect({lane.row.name: lane for lane in scheduler.lanes.values()}, graph)
    transitions = Transitions(journal, rows, graph, scheduler, policies, _zero, sources)
    for row in rows if opening.slow_kept else ():
        known = journal.slow_items(row.queue_id)
        transitions.timing.slowest[row.queue_id] = Slowest(opening.slow_kept, known)
    for row, stage in zip(rows, opening.stages, strict=True):
        if stage.rate is not None:
            lane = scheduler.lanes[row.queue_id]
            lane.meter = _meter(journal, row, stage.rate)
            transitions.meters.add(row.queue_id, lane.meter)
    return transitions


def _meter(journal: Journal, row: QueueRow, rate: Rate) -> Meter:
    """Return a meter that goes on where the last one has ended, in whichever load."""
    until = max(row.rated_until, journal.rated_until(row.name)) / 1000
    return Meter(rate, until - _zero(), time.monotonic())


def _capacity(row: QueueRow, stage: StageSpec, space: Space) -> Capacity | None:
    items, size = stage.max_outstanding, stage.max_outstanding_bytes
    return None if items is None or size is None else Capacity(row, items, size, space)


def _connect(lanes: Mapping[str, Lane], graph: Graph) -> None:
    """Tell the lanes who feeds whom."""
    for name, targets in graph.feeds.items():
        for capacity in (lanes[target].capacity for target in targets):
            if capacity is not None:
                capacity.feeders.append(lanes[name])
                lanes[name].downstream.append(capacity)


def _space(opening: Opening) -> Space:
    directory = Path(opening.path).parent

    def free() -> int:
        found = os.statvfs(directory)
        return found.f_bavail * found.f_frsize

    return Space(opening.min_free_disk, free)


def _zero() -> float:
    """Return when the monotonic clock stood at 0, in seconds since 1970."""
    return time.time() - time.monotonic()


def _unpark(transitions: Transitions) -> None:
    for queue_id in transitions.rows:
        transitions.parked.unpark(queue_id)


def _remember(journal: Journal, load: Load, transitions: Transitions) -> None:
    """Take over what earlier runs have recorded about items that are outstanding still."""
    for delay in journal.delays(load.load_id):
        transitions.intake.expect_later(delay)
    for attempts in journal.failed_attempts(load.load_id):
        transitions.verdicts.remember(attempts)


def _rows(journal: Journal, load: Load, opening: Opening, choice: Choice) -> list[QueueRow]:
    journal.rename_queues(choice.renames)
    rows = journal.queues(load.load_id)
    for position in range(len(rows), len(opening.stages)):
        rows.append(journal.add_queue(load.load_id, position, opening.stages[position].name))
    for row, stage in zip(rows, opening.stages, strict=True):
        _key(journal, row, stage)
    return rows


def _key(journal: Journal, row: QueueRow, stage: StageSpec) -> None:
    """Record whether a queue has natural keys; what it has already stays as it was put."""
    keyed = row.keyed if row.put else stage.keyed
    once = stage.once and keyed
    if (row.keyed, row.once) != (keyed, once):
        journal.key_queue(row.queue_id, keyed=keyed, once=once)
        row.keyed, row.once = keyed, once


def _know_keys(
    journal: Journal, rows: Sequence[QueueRow], opening: Opening, transitions: Transitions
) -> None:
    for row, stage in zip(rows, opening.stages, strict=True):
        if row.keyed:
            names = {row.name, stage.was} - {""} if row.once else ()
            transitions.intake.unique[row.queue_id] = Uniqueness(journal, row, names)
    # Who asks what was done before has to get all of it, also what the end of a run has left.
    while any(row.once for row in rows) and journal.note_done_keys():
        continue


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


def _sources(journal: Journal, load: Load, choice: Choice) -> list[SourceRow]:
    for source_id, name in choice.source_renames.items():
        journal.rename_source(source_id, name)
    return journal.sources(load.load_id)


def _find_cursors(journal: Journal, opening: Opening, transitions: Transitions) -> None:
    """Read how far the sources have come that go on behind that."""
    for source_id, source in transitions.sources.rows.items():
        spec = spec_of(opening, source, transitions.rows[source.queue_id].name)
        if spec.cursor and (found := journal.cursor(source_id)) is not None:
            transitions.sources.cursors[source_id] = found


def _expect_keys(opening: Opening, transitions: Transitions, entries: Sequence[str]) -> None:
    """Expect again what those put again that are called again, where keys tell what that is."""
    rows = transitions.rows
    repeating = {row.queue_id for row in rows.values() if row.name in entries}
    for source in transitions.sources.rows.values():
        if source.ended or spec_of(opening, source, rows[source.queue_id].name).poll:
            repeating.discard(source.queue_id)
        else:
            repeating.add(source.queue_id)
    for queue_id in repeating & {*transitions.intake.unique}:
        transitions.sourcing.expect_again(queue_id)


def _absorbers(
    journal: Journal, opening: Opening, transitions: Transitions, entries: Sequence[str]
) -> dict[tuple[int, int], Absorber]:
    rows, sources = transitions.rows, transitions.sources
    absorbers = {
        (row.queue_id, 0): new_absorber(journal) if row.keyed else absorber_of(journal, row)
        for row in rows.values()
        if row.name in entries and not sources.of_queue(row.queue_id)
    }
    for source in sources.rows.values():
        row = rows[source.queue_id]
        comes_not_again = spec_of(opening, source, row.name).poll or source.ended or row.keyed
        absorbers[row.queue_id, source.source_id] = (
            new_absorber(journal)
            if comes_not_again
            else absorber_of_source(journal, row, sources, source)
        )
    return absorbers


def _requeuing(
    journal: Journal, opening: Opening, transitions: Transitions
) -> dict[int, Requeuing]:
    found = {}
    for source in transitions.sources.rows.values():
        row = transitions.rows[source.queue_id]
        window = spec_of(opening, source, row.name).requeue_after
        if window and not source.ended:
            found[source.source_id] = Requeuing(window, time.time)
            found[source.source_id].read(journal, row, transitions.sources, source)
    return found


def absorber_of(journal: Journal, row: QueueRow) -> Absorber:
    """Return an absorber for what programs may repeat of a queue: all that was put on it."""
    absorber = new_absorber(journal)
    everything = Span(item_id_of(row.queue_id, 0), item_id_of(row.queue_id, row.put))
    for span in _by_programs(journal, row, [everything]):
        absorber.expect(span.after, span.last)
    return absorber


def absorber_of_source(
    journal: Journal, row: QueueRow, sources: Sources, source: SourceRow
) -> Absorber:
    """Return an absorber for what a source may repeat: all that it has put behind its cursor."""
    absorber = new_absorber(journal)
    after = item_id_of(row.queue_id, sources.put_at_cursor(source.source_id))
    spans = put_by(journal, sources, source, after, item_id_of(row.queue_id, row.put))
    absorber.expect_all(_by_programs(journal, row, spans))
    return absorber


def _by_programs(journal: Journal, row: QueueRow, spans: Iterable[Span]) -> Iterator[Span]:
    """Yield spans without what was put by hand, which no program repeats."""
    replacements = journal.replacements(row.queue_id)
    for span in spans:
        after = span.after
        for by_hand in replacements[bisect_right(replacements, after) :]:
            if by_hand > span.last:
                break
            yield Span(after, by_hand - 1)
            after = by_hand
        yield Span(after, span.last)
