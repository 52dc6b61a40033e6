"""What charts and histograms are made of."""

from __future__ import annotations

from collections import Counter

from persistq.timings import Sample, StageSample, StageTimes
from persistq.web.bar import Bar
from persistq.web.chart import POINTS, memory, rates
from persistq.web.courses import Course, added_up
from persistq.web.durations import HEIGHT, durations_of


def sample(at: int, done: int, parked: int = 0) -> Sample:
    """Return where a run of one stage stood at a moment."""
    stage = StageSample(7, 1000, done, 0, parked, 0.0, 0.0, 5_000)
    return Sample(at, float(at), 1_000, (stage,))


def test_rates_are_what_has_ended_between_two_moments() -> None:
    """Also by failing; and between two runs there is a gap."""
    first = [sample(0, 0), sample(1, 10), sample(3, 20, 10)]
    second = [sample(100, 20, 10), sample(101, 25, 10)]
    drawn = rates([first, second], {7: "clean"})
    assert drawn.times == [1.0, 3.0, 100.0, 101.0]
    assert [(it.name, it.values) for it in drawn.curves] == [("clean", [10.0, 10.0, None, 5.0])]
    assert drawn.latest == [("clean", 5.0)]
    assert drawn.lately("clean") == 25 / 3
    assert drawn.lately("store") is None


def test_memory_of_the_broker_and_of_each_stage() -> None:
    """In bytes."""
    drawn = memory([[sample(0, 0), sample(1, 1)]], {7: "clean"})
    assert [(it.name, it.values) for it in drawn.curves] == [
        ("broker", [1_000.0]),
        ("clean", [5_000.0]),
    ]


def test_long_courses_are_thinned_and_keep_their_end() -> None:
    """No page has more points than can be told apart."""
    runs = [[sample(at, at) for at in range(5_000)] for _ in range(3)]
    drawn = rates(runs, {7: "clean"})
    assert len(drawn.times) <= POINTS + 6
    assert drawn.times[-1] == 4_999
    assert {value for value in drawn.curves[0].values if value} == {1.0}


def test_nothing_to_draw_is_drawn_as_nothing() -> None:
    """Neither without samples, nor with the first one alone."""
    assert rates([], {7: "clean"}).times == []
    assert rates([[sample(0, 0)]], {7: "clean"}).times == []


def test_durations_of_several_runs_are_added_up() -> None:
    """The highest bar is as high as there is room."""
    one = StageTimes(7, 3.0, 1.0, Counter({10: 4, 12: 1}))
    other = StageTimes(7, 1.0, 3.0, Counter({10: 4}))
    total = added_up([Course([], [one]), Course([], [other])])[7]
    shown = durations_of("clean", total)
    assert (shown.items, shown.busy) == (9, 0.5)
    assert [(it.place, it.height, it.items) for it in shown.columns] == [
        (0, HEIGHT, 8),
        (2, 2.5, 1),
    ]


def test_a_bar_is_as_long_as_its_items() -> None:
    """And says in words what it shows."""
    bar = Bar(10, 5, 1, 2)
    assert [(it.kind, it.start, it.width) for it in bar.pieces()] == [
        ("done", 0, 50),
        ("dropped", 50, 10),
        ("parked", 60, 20),
    ]
    assert bar.label == "5 done, 2 outstanding, 2 failed, 1 dropped of 10"
    assert bar.share == 0.8
    assert list(Bar(0, 0, 0, 0).pieces()) == []
