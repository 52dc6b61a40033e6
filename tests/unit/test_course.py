"""What the counters of a run say: rates, how much is done, and how long it will take."""

from __future__ import annotations

import math

import pytest
from scenes import CHAIN, course, sizes

from persistq.display.forecast import Left
from persistq.display.plan import StagePlan
from persistq.display.speed import Speed
from persistq.display.words import (
    clock,
    item_time,
    length,
    per_time,
    short_time_left,
    time_left,
    time_taken,
)

# --- rates ----------------------------------------------------------------------------------------


def test_lately_forgets_what_was_before() -> None:
    """A stage that was quick for long, and is slow now, is slow."""
    speed = Speed(0.0)
    for second in range(1, 101):
        speed.note(100 * second, float(second))
    for second in range(101, 121):
        speed.note(10_000 + second - 100, float(second))
    assert speed.lately(120.0) == pytest.approx(1.0, rel=0.1)
    assert speed.mean(120.0) == pytest.approx(83.5, rel=0.01)


def test_slow_items_are_measured_over_more_than_ten_seconds() -> None:
    """One a minute is no rate of 0 between two of them."""
    speed = Speed(0.0)
    for minute in range(1, 8):
        speed.note(minute, 60.0 * minute)
    assert speed.lately(7 * 60 + 30.0) == pytest.approx(1 / 60, rel=0.2)


def test_a_stage_that_stands_still_becomes_slower_and_slower() -> None:
    """No rate is kept that is not true any more."""
    speed = Speed(0.0)
    speed.note(50, 1.0)
    assert speed.lately(1.0) > speed.lately(10.0) > speed.lately(100.0) > 0


def test_what_is_remembered_of_a_long_run_is_little() -> None:
    """However long it takes."""
    speed = Speed(0.0)
    for tick in range(100_000):
        speed.note(tick, tick / 2)
    assert len(speed._marks) < 50


def test_rates_do_not_count_what_was_done_before() -> None:
    """A resume that has begun nothing has a rate of 0."""
    run = course(sizes(1, 100, 50, before=50, worked=5.0))
    assert run.stages(10.0)[0].rate == 0
    run.note([sizes(1, 100, 70, before=50, worked=7.0)], 10.0)
    [stage] = run.stages(10.0)
    assert (stage.now, stage.rate, stage.mean) == (20, 2.0, 2.0)


# --- how much -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("queue", "percent"),
    [
        (sizes(1, 1000, 999), 99),
        (sizes(1, 1000, 1000), 100),
        (sizes(1, 1000, 990, parked=10), 100),
        (sizes(1, 3, 1), 33),
        (sizes(1, 0, 0), None),
        (sizes(1, 1000, 1000, sealed=False), None),
    ],
)
def test_percent_is_rounded_down_and_only_said_when_it_is_known(
    queue: object, percent: int | None
) -> None:
    """A hundred means that it is settled; what may become more has none."""
    assert course(queue).stages(0.0)[0].percent == percent  # type: ignore[arg-type]


def test_results_are_no_stage_and_a_hook_is_shown_when_it_is_called() -> None:
    """What nobody works on is not shown as work."""
    plans = {**CHAIN, 4: StagePlan(hook=True)}
    result, hook = sizes(3, 5, 5, results=True), sizes(4, 0, 0, sealed=False)
    run = course(sizes(1, 10, 5), result, hook, plans=plans)
    assert [stage.sizes.queue_id for stage in run.stages(1.0)] == [1]
    run.note([sizes(1, 10, 10), result, sizes(4, 1, 0, sealed=False)], 2.0)
    assert [stage.sizes.queue_id for stage in run.stages(2.0)] == [1, 4]


# --- how long -------------------------------------------------------------------------------------


def test_right_after_a_resume_the_time_left_is_told_by_what_is_recorded() -> None:
    """8,000 items of 0.2 s at two places are 800 s, before one of them is done."""
    run = course(sizes(2, 10_000, 2_000, before=2_000, worked=400.0))
    assert run.left(0.0) == Left(800.0, least=False)


def test_without_a_record_nothing_is_said_until_something_is_done() -> None:
    """No time that nothing tells."""
    run = course(sizes(2, 100, 0))
    assert run.left(5.0).seconds is None
    run.note([sizes(2, 100, 10, worked=1.0)], 1.0)
    assert run.left(1.0).seconds == pytest.approx(90 / 19)


def test_what_is_measured_takes_the_place_of_what_is_recorded() -> None:
    """Items that have become five times slower than they were are told by what they are now."""
    run = course(sizes(1, 1_000, 500, before=500, worked=50.0))
    assert run.left(0.0).seconds == pytest.approx(50.0)
    for second in range(1, 21):
        now = sizes(1, 1_000, 500 + 2 * second, before=500, worked=50.0 + second)
        run.note([now], float(second))
    assert run.left(20.0).seconds == pytest.approx(460 / 2, rel=0.02)


def test_while_a_source_runs_it_is_the_least_that_it_can_be() -> None:
    """Nobody knows what still comes, nor what is made of it behind."""
    first = sizes(1, 100, 50, sealed=False, worked=5.0)
    run = course(first, sizes(2, 50, 25, sealed=False, worked=2.5))
    assert run.left(0.0) == Left(pytest.approx(5.0), least=True)


def test_what_will_be_made_of_the_items_before_is_counted() -> None:
    """The slow stage behind a quick one has a hundred items, and gets two of each that follow."""
    first = sizes(1, 1_000, 100, worked=1.0)
    second = sizes(2, 200, 100, sealed=False, worked=100.0)
    assert course(first, second).left(0.0) == Left(pytest.approx(1_900 / 2), least=False)


def test_what_goes_back_may_always_become_more() -> None:
    """In a circle nobody knows how much."""
    plans = {1: StagePlan(open=True), 2: StagePlan(feeders=(1,), open=True)}
    run = course(sizes(1, 10, 5, worked=5.0), sizes(2, 5, 4, sealed=False, worked=4.0), plans=plans)
    assert run.left(0.0).least


def test_a_stage_with_a_rate_is_not_expected_to_be_quicker() -> None:
    """However little each call takes."""
    plans = {1: StagePlan(hands=8, calls=2.0)}
    run = course(sizes(1, 100, 60, before=60, worked=0.6), plans=plans)
    assert run.left(0.0).seconds == pytest.approx(20.0)


def test_the_slowest_stage_tells_how_long_all_of_it_takes() -> None:
    """They work beside each other."""
    run = course(sizes(1, 100, 50, worked=50.0), sizes(3, 100, 50, worked=800.0))
    assert run.left(0.0).seconds == pytest.approx(200.0)


def test_items_that_wait_for_their_time_tell_nothing_of_it() -> None:
    """They may wait for days."""
    run = course(sizes(1, 100, 99, worked=1.0, delayed=1))
    assert run.left(0.0) == Left(None, least=True)


def test_what_is_settled_takes_no_time() -> None:
    """Nor is it unknown."""
    assert course(sizes(1, 10, 10, worked=1.0)).left(0.0) == Left(0.0, least=False)


def test_no_time_is_infinite_or_negative() -> None:
    """Whatever the counters are, also those of a journal that was mended by hand."""
    for worked in (0.0, 1e-12, 1e300):
        run = course(sizes(1, 10, 5, before=9, worked=worked))
        left = run.left(1e-9).seconds
        assert left is None or (left >= 0 and math.isfinite(left))


# --- in words -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (clock(7.9), "0:07"),
        (clock(3_599), "59:59"),
        (clock(3_734), "1:02:14"),
        (clock(-1), "0:00"),
        (length(0.2), "1 s"),
        (length(119), "119 s"),
        (length(121), "3 min"),
        (length(4_800), "80 min"),
        (length(8_000), "2 h 14 min"),
        (length(1e6), "12 d"),
        (time_taken(0.26), "0.2 s"),
        (time_taken(12.9), "12 s"),
        (time_left(Left(230.0, least=False)), "about 4 min left"),
        (time_left(Left(230.0, least=True)), "at least 4 min left"),
        (time_left(Left(None, least=True)), ""),
        (time_left(Left(0.0, least=False)), ""),
        (short_time_left(Left(5.0, least=True)), "5 s+"),
        (per_time(1_234.5), "1,234/s"),
        (per_time(9.94), "9.9/s"),
        (per_time(0.5), "30/min"),
        (per_time(1 / 3600), "1.0/h"),
        (per_time(0.0), ""),
        (item_time(0.0000123), "12 µs"),
        (item_time(0.2), "200 ms"),
        (item_time(90), "90 s"),
        (item_time(None), ""),
    ],
)
def test_times_and_rates_are_said_in_a_unit_that_fits(said: str, expected: str) -> None:
    """Short enough for a column."""
    assert said == expected
