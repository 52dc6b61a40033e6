"""What a report draws: the axis of time, lanes, rates; and that no text can become an element."""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persistq.journal.run import Command, Run
from persistq.peer import Peer
from persistq.report import safe, words
from persistq.report.axis import GAPS_MOST, Axis
from persistq.report.course import begun, course_of
from persistq.report.drawings import histogram
from persistq.report.figures import Bucket, Items, RunFigures, StageFigures, WorkerFigures
from persistq.report.lanes import lanes_of
from persistq.report.markup import Markup, element, joined, verbatim
from persistq.report.runs import RunRecord, figures_of
from persistq.timings import BOUNDS, Sample, StageSample, bounds_of

ZERO = datetime(2026, 1, 1, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """Return a moment."""
    return ZERO + timedelta(seconds=seconds)


def run(began: float, until: float) -> RunFigures:
    """Return a run that was there from one second to another."""
    return RunFigures(1, after(began), None, after(until), "killed", "", "vm", 1, 0, 0, 0, 0)


def worker(began: float, until: float) -> WorkerFigures:
    """Return a process that was there from one second to another."""
    return WorkerFigures(1, "store", 1, after(began), after(until), "left")


# --- the axis -------------------------------------------------------------------------------------


def test_a_pause_between_runs_takes_little_of_the_axis() -> None:
    """An hour of work, a night, another hour: both are seen."""
    axis = Axis([run(0, 3600), run(50_000, 53_600)])
    at = ZERO.timestamp()
    places = [axis.share(at + second) for second in (0, 3600, 20_000, 50_000, 53_600)]
    assert places == pytest.approx([0, 0.49, 0.49, 0.51, 1], abs=0.001)
    assert axis.resumes == pytest.approx([0.51], abs=0.001)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-50, 5000), st.floats(0, 5000)), min_size=1, max_size=300))
def test_runs_lie_on_the_axis_one_after_the_other(runs: list[tuple[float, float]]) -> None:
    """However many there are, and also where a clock was set back."""
    now, listed = 0.0, []
    for pause, length in runs:
        listed.append(run(now + pause, now + pause + length))
        now += pause + length
    axis = Axis(listed)
    for span, following in pairwise(axis.spans):
        assert span.place + span.end - span.begin <= following.place + 1e-6
    work = sum(span.end - span.begin for span in axis.spans)
    assert axis.length <= max(1, work + GAPS_MOST * sum(length for _, length in runs) + 1e-3)
    shares = [axis.share(span.begin) for span in axis.spans]
    assert shares == sorted(shares)
    assert shares[0] >= 0
    assert shares[-1] <= 1


def test_an_axis_of_nothing_has_a_length() -> None:
    """Nothing is divided by 0."""
    assert Axis([]).share(5.0) == 0
    assert Axis([run(3, 3)]).length == 1


# --- lanes ----------------------------------------------------------------------------------------


def test_who_replaces_a_worker_gets_its_lane() -> None:
    """So that a crash and what followed it are seen in one line."""
    first, second, replaced = worker(0, 5), worker(0, 9), worker(5, 9)
    assert lanes_of([first, second, replaced]) == [[first, replaced], [second]]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=60))
def test_there_are_as_many_lanes_as_workers_at_the_same_time(
    spans: list[tuple[int, int]],
) -> None:
    """And none overlap in one."""
    workers = [worker(began, began + length) for began, length in spans]
    lanes = lanes_of(workers)
    for lane in lanes:
        assert all(one.until <= other.began for one, other in pairwise(lane))
    assert sum(map(len, lanes)) == len(workers)
    busiest = Counter(
        second for began, length in spans for second in range(began, began + max(1, length))
    )
    if all(length for _, length in spans):
        assert len(lanes) == max(busiest.values(), default=0)


# --- the course -----------------------------------------------------------------------------------


def stage(done: int, rss: int = 0) -> tuple[StageSample]:
    """Return where a stage stands."""
    return (StageSample(1, 100, done, 0, 0, 0.0, 0.0, rss),)


RUN = Run(1, 1, Command("python", (), "/", Peer("host", 1)), ZERO, None, None, "", "0" * 32)


def test_rates_are_those_of_the_time_between_two_moments() -> None:
    """Also where moments are left out, so that a curve has as many items as there were."""
    samples = [Sample(tick, 1000.0 + tick, 5, stage(tick * tick)) for tick in range(101)]
    course = course_of(RUN, samples, {1: "store"}, 11)
    [line] = course.stages
    assert course.at == [1000.0 + tick for tick in range(0, 101, 10)]
    assert line.rate[:3] == [None, 10, 30]
    assert sum(10 * (rate or 0) for rate in line.rate) == 100 * 100


def test_a_clock_that_was_set_back_gives_no_rate() -> None:
    """And no error."""
    samples = [Sample(0, 1000.0, 5, stage(0)), Sample(1, 900.0, 5, stage(10))]
    [line] = course_of(RUN, samples, {1: "store"}, 10).stages
    assert line.rate == [None, None]


def test_a_run_of_less_than_a_second_has_a_course() -> None:
    """One sample is recorded of it, that of its end."""
    last = Sample(0, ZERO.timestamp() + 0.5, 5, stage(120, rss=7))
    first, _ = begun(RUN, [last], {1: 20})
    assert (first.at, first.stages[0].done) == (ZERO.timestamp(), 100)
    [line] = course_of(RUN, [first, last], {1: "store"}, 10).stages
    assert line.rate == [None, 40]


# --- durations ------------------------------------------------------------------------------------


@pytest.mark.parametrize("buckets", [(0,), (0, 5), (len(BOUNDS),), (40, len(BOUNDS))])
def test_every_bucket_can_be_drawn(buckets: tuple[int, ...]) -> None:
    """The first one and the last one too."""
    durations = [Bucket(*bounds_of(bucket), 3) for bucket in buckets]
    items = Items(3, 3, 0, 0, 0)
    drawn = histogram(StageFigures("store", items, 1.0, 1.0, 1, 1, 1, 1, durations))
    assert drawn.count("<rect") == len(buckets)
    assert "3 items</title>" in drawn


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0 µs"),
        (0.0000314, "31.4 µs"),
        (0.00123, "1.23 ms"),
        (0.4567, "457 ms"),
        (59.5, "59.5 s"),
        (61, "1 m 01 s"),
        (3599.9, "1 h 00 m"),
        (366_000, "101 h 40 m"),
    ],
)
def test_durations_are_said_in_a_unit_that_fits(value: float, said: str) -> None:
    """In three digits."""
    assert words.seconds(value) == said


def test_a_share_is_never_rounded_to_all_or_nothing() -> None:
    """One item that is missing is missing."""
    shares = [words.share(part, 1000) for part in (0, 1, 500, 999, 1000)]
    assert shares == ["0 %", "< 1 %", "50 %", "> 99 %", "100 %"]


# --- markup ---------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.text())
def test_no_text_becomes_an_element(text: str) -> None:
    """Wherever it stands: in an element, among others, in an attribute."""
    for made in (
        element("p", text),
        element("p", [text, element("b", text)]),
        element("p", title=text),
        joined(text),
    ):
        inner = made.removeprefix("<p").removesuffix("</p>").replace("<b>", "").replace("</b>", "")
        assert "<" not in inner
        assert inner.count('"') in {0, 2}


@pytest.mark.parametrize("text", ["</script>", "</SCRIPT ", "<!-- <script>"])
def test_a_script_cannot_be_ended_by_what_is_in_it(text: str) -> None:
    """It is refused, whoever has forgotten to escape it."""
    with pytest.raises(ValueError, match="holds what ends it"):
        verbatim("script", text)


def test_markup_stays_what_it_is() -> None:
    """Elements are escaped once."""
    assert element("p", Markup("<b>&amp;</b>"), None, "&") == "<p><b>&amp;</b>&amp;</p>"


def test_texts_are_made_safe_to_show() -> None:
    """What turns the direction of writing, or cannot be encoded, is escaped; of much the end is."""
    assert safe.line("a\u202eb\ud800\n") == "a\\u202eb\\ud800\\n"
    assert safe.lines("one\ntwo\x07\n") == "one\ntwo\\x07"
    cut = safe.lines("\n".join(["line"] * 5000))
    assert len(cut) == safe.LINES_MAX
    assert cut.startswith("…")


# --- runs -----------------------------------------------------------------------------------------


def test_what_a_killed_run_has_done_last_is_its_own() -> None:
    """Nobody has told of it; but where the next run began is known."""
    killed = RunRecord(
        RUN, None, [Sample(0, 1.0, 5, stage(0)), Sample(1, 2.0, 5, stage(40))], [], 40
    )
    next_run = dataclasses.replace(RUN, run_id=2)
    samples = [Sample(0, 9.0, 5, stage(55)), Sample(1, 10.0, 5, stage(90))]
    resumed = RunRecord(next_run, None, samples, [], 40)
    listed = figures_of([killed, resumed], {1: "store"}, before=0, done=100)
    assert [run.done for run in listed] == [55, 45]


def test_runs_of_which_nothing_was_sampled_have_done_what_their_workers_told() -> None:
    """As those of a load that is purged."""
    records = [RunRecord(dataclasses.replace(RUN, run_id=n), None, [], [], 10 * n) for n in (1, 2)]
    listed = figures_of(records, {1: "store"}, before=0, done=30)
    assert [run.done for run in listed] == [10, 20]
    assert [run.done for run in figures_of(records[:1], {1: "store"}, before=0, done=30)] == [30]
