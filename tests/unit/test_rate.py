"""Rates as they are said, and the meter that keeps them over all workers and runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lanes import (
    CRASHED,
    QUEUE,
    RAISED,
    ZERO,
    Records,
    ids,
    new_lane,
    ranges,
    served,
    together,
    transitions_of,
)

from persistq.broker.cause import Cause
from persistq.broker.filling import Filling
from persistq.broker.lane import Lane
from persistq.broker.metering import NEVER, RESERVE_S, TOGETHER_S, Meter
from persistq.broker.span import Span
from persistq.broker.transitions import Transitions
from persistq.errors import UsageError
from persistq.items import FailureKind
from persistq.policy import Batching
from persistq.rate import Rate, rate_of
from persistq.wire.messages import Patience


@pytest.mark.parametrize(
    ("said", "interval"),
    [
        ("20/s", 0.05),
        ("600/min", 0.1),
        ("5/h", 720.0),
        ("100 / 5 min", 3.0),
        ("1 per 2 h", 7200.0),
        ("0.5/s", 2.0),
        ("1/7d", 604_800.0),
    ],
)
def test_a_rate_is_calls_in_a_time(said: str, interval: float) -> None:
    """Any number of any unit."""
    assert rate_of("stage 'a'", said) == Rate(pytest.approx(interval), 1)


@pytest.mark.parametrize(
    "said", ["fast", "20", 20, "0/s", "-1/s", "20/0s", "20/month", "/s", "9999999/s", "1/8d", True]
)
def test_what_is_no_rate_is_refused_in_one_sentence(said: object) -> None:
    """With the right forms."""
    with pytest.raises(UsageError, match=r"^stage 'a': rate=.* is refused: .* '20/s', '600/min'"):
        rate_of("stage 'a'", said)


@pytest.mark.parametrize("said", [0, -1, 1.5, "2", True, 10**9])
def test_what_is_no_burst_is_refused_in_one_sentence(said: object) -> None:
    """It is a number of calls; and there is none without a rate."""
    with pytest.raises(UsageError, match=r"burst=.* is refused: it should be a number of calls"):
        rate_of("stage 'a'", "20/s", said)
    with pytest.raises(UsageError, match="burst= without rate="):
        rate_of("stage 'a'", None, 5)


RATES = st.builds(
    Rate, st.sampled_from([0.0005, 0.003, 0.05, 1.0, 720.0]), st.sampled_from([1, 2, 5, 40])
)


@given(
    rate=RATES,
    steps=st.lists(
        st.tuples(st.sampled_from([0.0, 0.0001, 0.004, 0.01, 0.3, 2.0, 800.0]), st.booleans()),
        max_size=60,
    ),
    restarts=st.sets(st.integers(0, 59)),
)
def test_no_span_of_time_has_more_calls_than_the_rate_allows(
    rate: Rate, steps: list[tuple[float, bool]], restarts: set[int]
) -> None:
    """Also over runs that die at any moment: what was recorded last is what is known."""
    now, meter, recorded = 100.0, Meter(rate, now=100.0), NEVER
    slack = max(TOGETHER_S, min(rate.interval / 4, 0.05))
    calls: list[float] = []
    for n, (step, commits) in enumerate(steps):
        now += step * min(1.0, rate.interval * 40)
        if n in restarts:
            meter = Meter(rate, recorded, now)
            wait = meter.due - now if calls else 0.0
            assert wait <= rate.interval + RESERVE_S + 1e-3
        meter.look(now)
        if commits or meter.lacks:
            recorded = meter.to_record()
            meter.have_recorded()
        assert meter.holds or meter.allowed >= 1
        if not meter.holds:
            calls += [now] * meter.allowed
            meter.spend(meter.allowed)
    for n, first in enumerate(calls):
        for m, last in enumerate(calls[n:], 1):
            assert m <= (last - first + slack) / rate.interval + rate.burst + 1e-3


def test_nothing_may_begin_that_is_not_recorded() -> None:
    """A broker that dies just then would not know of it."""
    meter = Meter(Rate(0.05), now=10.0)
    meter.look(10.0)
    assert (meter.allowed, meter.lacks, meter.holds) == (0, True, False)
    assert meter.to_record() == pytest.approx(10.0 + 0.05 + RESERVE_S)
    assert meter.lacks
    meter.have_recorded()
    assert (meter.allowed, meter.lacks) == (1, False)


def test_a_record_lasts_for_about_a_second_of_calls() -> None:
    """They need no commit of their own."""
    meter, now = Meter(Rate(0.05), now=10.0), 10.0
    meter.look(now)
    meter.to_record()
    meter.have_recorded()
    for _ in range(20):
        meter.look(now)
        assert not meter.lacks
        meter.spend(1)
        now += 0.05


@pytest.mark.parametrize(("stored", "waits"), [(-5e8, 0.0), (5e8, 721.05), (721.0, 721.0)])
def test_a_clock_that_was_set_keeps_nobody_waiting_for_ever(stored: float, waits: float) -> None:
    """What a record cannot have said is not believed; what is past is past."""
    rate = Rate(720.0)
    meter = Meter(rate, 100.0 + stored, now=100.0)
    assert max(0.0, meter.due + 0.05 - 100.0) == pytest.approx(waits, abs=0.06)


def metered(lane: Lane, rate: Rate, consumers: int = 2, **policy: object) -> Transitions:
    """Return the transitions of a lane with a rate; consumers have joined."""
    transitions = transitions_of(Records(), lane, retries=3, **policy)
    lane.meter = Meter(rate)
    transitions.meters.add(QUEUE, lane.meter)
    for consumer in range(1, consumers + 1):
        transitions.scheduler.join(consumer, QUEUE)
    return transitions


def turn(transitions: Transitions, now: float) -> dict[int, list[int]]:
    """Do what a broker does in a turn, and return what each consumer got."""
    first = served(transitions.scheduler, now)
    transitions.reserve_calls()
    transitions.commit()
    return first | served(transitions.scheduler, now)


def test_items_are_handed_out_when_they_are_due() -> None:
    """Consumers wait, and the broker sleeps until then."""
    transitions = metered(lane := new_lane(9), Rate(0.5))
    scheduler = transitions.scheduler
    for consumer in (1, 2):
        scheduler.take(consumer, Patience.WAIT)
    assert turn(transitions, 10.0) == {1: [1]}
    assert scheduler.due() == pytest.approx(10.5 - 0.05)
    assert turn(transitions, 10.3) == {}
    assert not scheduler.famished
    assert turn(transitions, 10.5) == {2: [2]}
    assert scheduler.due() is None
    assert lane.row.rated_until >= (ZERO + 11.0) * 1000


def test_a_burst_is_handed_out_at_once_and_no_more() -> None:
    """However quick the items are."""
    transitions = metered(lane := new_lane(90), Rate(1.0, 5), consumers=1)
    lane.pace.learn(1000, 0.001)
    transitions.scheduler.take(1, Patience.WAIT)
    assert turn(transitions, 10.0) == {1: [1, 2, 3, 4, 5]}
    assert transitions.finish(1, ranges(1, 2, 3, 4, 5), 0.0)
    transitions.scheduler.take(1, Patience.WAIT)
    assert turn(transitions, 10.1) == {}
    assert turn(transitions, 11.0) == {1: [6]}


def test_who_has_something_in_hand_gets_no_more() -> None:
    """It would begin with that when nobody measures; and nobody is kept busy by who asks."""
    transitions = metered(lane := new_lane(9), Rate(0.5), consumers=1)
    lane.backlog.append(Span(ids(9)[0], ids(20)[0]))
    lane.ready_bytes_max = 1
    transitions.scheduler.take(1, Patience.WAIT)
    assert turn(transitions, 10.0) == {1: [1]}
    transitions.scheduler.take(1, Patience.AHEAD)
    assert turn(transitions, 20.0) == {}
    assert not transitions.scheduler.famished
    assert transitions.scheduler.due() is None
    assert transitions.finish(1, ranges(1), 0.1)
    assert turn(transitions, 20.1) == {1: [2]}


@pytest.mark.parametrize("how", ["fails", "dies", "gives it back", "leaves"])
def test_repeated_attempts_count(how: str) -> None:
    """Whatever the first one came to, it may have called the server."""
    transitions = metered(new_lane(1), Rate(1.0))
    transitions.scheduler.take(1, Patience.WAIT)
    assert turn(transitions, 10.0) == {1: [1]}
    if how == "fails":
        transitions.attempts.fail(1, ranges(1), RAISED, now=10.0, retry_after=0.0)
    elif how == "gives it back":
        transitions.give_back(1, ranges(1))
    else:
        if how == "dies":
            transitions.deaths.blame(1, ids(1)[0], CRASHED)
        transitions.leave(1)
    transitions.scheduler.take(2, Patience.WAIT)
    assert turn(transitions, 10.5) == {}
    assert turn(transitions, 11.0) == {2: [1]}


def test_a_batch_is_one_call_and_its_items_are_tried_again_as_one_call_each() -> None:
    """What is tried again alone after the call of several has failed waits for its time."""
    lane = new_lane(6)
    lane.filling = Filling(Batching(batch=3))
    transitions = metered(lane, Rate(1.0), consumers=0)
    transitions.scheduler.join(1, QUEUE, 3)
    got, now = [], 10.0
    while len(got) < 5:
        transitions.scheduler.take(1, Patience.WAIT)
        assert not got or turn(transitions, now - 0.5) == {}
        found = turn(transitions, now)
        got += found.values()
        cause = Cause(FailureKind.SUSPECT, "ValueError", "one of them")
        if len(got) == 1:
            assert transitions.attempts.take_apart(1, ranges(*got[0]), cause)
            assert not transitions.attempts.take_apart(1, ranges(*got[0]), cause)
        else:
            assert transitions.finish(1, ranges(*got[-1]), 0.1)
        now += 1.0
    assert got == [[1, 2, 3], [1], [2], [3], [4, 5, 6]]
    assert transitions.failures.of(ranges(1, 2, 3)) == {}


def test_a_stage_that_rests_tries_its_one_item_when_that_is_due() -> None:
    """Rest and rate hold both."""
    transitions = metered(new_lane(5), Rate(1.0))
    scheduler = transitions.scheduler
    scheduler.take(1, Patience.WAIT)
    assert turn(transitions, 10.0) == {1: [1]}
    scheduler.rest(1, 10.0, "away", 0.25)
    scheduler.give_back(1, ranges(1))
    scheduler.take(1, Patience.WAIT)
    scheduler.take(2, Patience.WAIT)
    assert turn(transitions, 10.5) == {}
    assert turn(transitions, 11.0) == {1: [2]}
    assert turn(transitions, 15.0) == {}


def test_a_rate_that_is_not_used_records_nothing() -> None:
    """A stage that waits for items costs no commits."""
    transitions = metered(lane := new_lane(0), Rate(1.0))
    transitions.scheduler.take(1, Patience.WAIT)
    assert turn(transitions, 10.0) == {}
    assert transitions._journal.batches == []  # type: ignore[attr-defined]
    lane.arrive(together(1, 2))
    assert turn(transitions, 10.0) == {1: [1]}
    assert len(transitions._journal.batches) == 1  # type: ignore[attr-defined]
