"""Consumers that work on several items at once: what they get, and what a death leads to."""

from __future__ import annotations

from typing import Any

import pytest
from lanes import (
    CRASHED,
    OVERDUE,
    QUEUE,
    ids,
    new_lane,
    new_scheduler,
    new_transitions,
    ranges,
    served,
)

from persistq import Pipeline, UsageError
from persistq.broker.metering import Meter
from persistq.broker.scheduler import Scheduler
from persistq.broker.span import Span
from persistq.broker.transitions import Transitions
from persistq.items import FailureKind
from persistq.rate import Rate
from persistq.wire.messages import Patience

AHEAD, WAIT = Patience.AHEAD, Patience.WAIT


def ask(
    scheduler: Scheduler, consumer: int, room: int, patience: Patience = WAIT, at_once: int = 5
) -> dict[int, list[int]]:
    """Let a consumer, connected first if it is not, ask for so many, and return who got what."""
    if consumer not in scheduler.consumers:
        scheduler.join(consumer, QUEUE, at_once=at_once)
    scheduler.take(consumer, patience, room)
    return served(scheduler)


def failures(transitions: Transitions) -> list[tuple[int, FailureKind]]:
    """Return what a commit would record now, by number."""
    first = ids(1)[0]
    return [(one.item_id - first + 1, one.kind) for one in transitions.record.batch.failures]


def test_who_works_on_several_gets_as_many_as_begin_at_once() -> None:
    """Whatever their pace, which is unknown here; and one by one what becomes free."""
    scheduler = new_scheduler(new_lane(40))
    assert ask(scheduler, 1, room=5) == {1: [1, 2, 3, 4, 5]}
    scheduler.finish(1, ranges(3), 60.0)
    assert ask(scheduler, 1, room=1, patience=AHEAD) == {1: [6]}


def test_what_is_there_is_shared() -> None:
    """One of several does not take all that is left."""
    scheduler = new_scheduler(new_lane(8))
    scheduler.join(2, QUEUE, at_once=5)
    assert ask(scheduler, 1, room=5) == {1: [1, 2]}


def test_who_asks_while_others_are_at_work_is_not_told_that_it_is_over() -> None:
    """It may fail, and has to be tried again by somebody."""
    scheduler = new_scheduler(new_lane(1, sealed_total=1))
    ask(scheduler, 1, room=5)
    scheduler.join(2, QUEUE, at_once=5)
    assert ask(scheduler, 2, room=5) == {}
    assert ask(scheduler, 1, room=4, patience=AHEAD) == {}
    assert [*scheduler.answers()] == []


def test_a_death_with_several_at_work_makes_all_of_them_suspects() -> None:
    """Each is tried alone, nothing is begun beside it, and nothing is counted."""
    transitions = new_transitions(new_lane(12), max_crashes=2)
    scheduler = transitions.scheduler
    scheduler.lanes[QUEUE].backlog.append(Span(ids(12)[0], ids(20)[0]))
    ask(scheduler, 1, room=5)
    transitions.deaths.suspect(1, ids(1, 3, 5), CRASHED)
    transitions.leave(1)
    assert failures(transitions) == [(n, FailureKind.SUSPECT) for n in (1, 3, 5)]
    assert scheduler.lanes[QUEUE].blamed == 1
    for number in (1, 3, 5):
        assert ask(scheduler, 2, room=5) == {2: [number]}
        assert ask(scheduler, 2, room=4, patience=AHEAD) == {}
        assert not scheduler.famished
        scheduler.finish(2, ranges(number), 60.0)
    assert ask(scheduler, 2, room=5) == {2: [2, 4, 6, 7]}


def test_others_go_on_beside_a_suspect() -> None:
    """It waits for somebody with empty hands."""
    transitions = new_transitions(new_lane(20))
    scheduler = transitions.scheduler
    ask(scheduler, 1, room=2)
    ask(scheduler, 2, room=2)
    transitions.deaths.suspect(1, ids(1, 2), CRASHED)
    transitions.leave(1)
    assert ask(scheduler, 2, room=1, patience=AHEAD) == {2: [5]}
    assert ask(scheduler, 3, room=5) == {3: [1]}


def test_a_death_with_one_at_work_is_that_ones() -> None:
    """Also if its slots name others that were reported before."""
    transitions = new_transitions(new_lane(4), max_crashes=1)
    ask(transitions.scheduler, 1, room=2)
    transitions.finish(1, ranges(1), 0.1, [])
    transitions.deaths.suspect(1, ids(1, 2), CRASHED)
    assert failures(transitions) == [(2, FailureKind.CRASH)]
    assert transitions.record.batch.parked == ids(2)


def test_of_several_only_the_one_that_was_late_is_to_blame() -> None:
    """The others go back as if they had not begun."""
    transitions = new_transitions(new_lane(10), max_crashes=1)
    ask(transitions.scheduler, 1, room=3)
    transitions.deaths.blame(1, ids(2)[0], OVERDUE)
    transitions.leave(1)
    assert failures(transitions) == [(2, FailureKind.TIMEOUT)]
    assert ask(transitions.scheduler, 2, room=3) == {2: [1, 3, 4]}


def test_what_has_died_in_company_in_an_earlier_run_goes_alone() -> None:
    """A program whose every run dies of one of them comes to an end."""
    scheduler = new_scheduler(new_lane(20))
    scheduler.lanes[QUEUE].apart.update(ids(2, 3))
    assert ask(scheduler, 1, room=5) == {1: [1, 4, 5]}
    assert ask(scheduler, 2, room=5) == {2: [2]}
    assert ask(scheduler, 2, room=4, patience=AHEAD) == {}
    assert ask(scheduler, 3, room=5) == {3: [3]}


def test_a_rate_holds_for_those_that_are_begun_beside_others() -> None:
    """No more begin than may be called now."""
    scheduler = new_scheduler(new_lane(20))
    lane = scheduler.lanes[QUEUE]
    lane.meter = Meter(Rate(1.0, 3))
    lane.meter.to_record()
    lane.meter.have_recorded()
    assert ask(scheduler, 1, room=5) == {1: [1, 2, 3]}
    assert ask(scheduler, 1, room=2, patience=AHEAD) == {}


def _run(pipeline: Pipeline, handler: Any, options: dict[str, Any]) -> None:
    pipeline.stage(name="load", **options)(handler)
    pipeline.run()


@pytest.mark.parametrize(
    ("options", "awaits", "words"),
    [
        ({"concurrency": 5}, False, "concurrency= is for a handler that is async def"),
        ({"threads": 5}, True, "threads= is for a handler that blocks"),
        ({"concurrency": 0}, True, "concurrency=0 is refused"),
        ({"threads": 2.5}, False, "threads=2.5 is refused"),
        ({"threads": True}, False, "threads=True is refused"),
        ({"threads": 2, "batch": 5}, False, "threads= does not go with batch=: "),
        ({"batch": 5}, True, "a handler that is async def does not go with batch=: "),
        ({"concurrency": 2, "stream": True}, True, "stream=True does not go with"),
    ],
)
def test_what_does_not_fit_together_is_refused_in_one_sentence(
    options: dict[str, Any], awaits: bool, words: str
) -> None:
    """With the stage's name, before anything is opened."""

    async def awaited(item: object) -> None:
        """Do nothing."""

    def blocking(item: object) -> None:
        """Do nothing."""

    pipeline = Pipeline("demo")
    pipeline.source(lambda: [1])
    with pytest.raises(UsageError) as caught:
        _run(pipeline, awaited if awaits else blocking, options)
    assert str(caught.value).startswith("stage 'load': " + words)


def test_more_items_at_the_same_time_than_there_are_slots_are_refused() -> None:
    """Before anything is opened: workers that find none would die one after the other."""
    pipeline = Pipeline("demo", workers=5)
    pipeline.source(lambda: [1])
    pipeline.stage(threads=1_000)(print)
    with pytest.raises(UsageError, match="stage 'print': 5,000 items at the same time are refused"):
        pipeline.run()
