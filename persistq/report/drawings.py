"""What is drawn without a script: durations of a stage, and the time line of workers.

Places are in hundredths of the width, so a drawing fits any window and text in it is not stretched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from persistq.report.lanes import lanes_of
from persistq.report.markup import Markup, element
from persistq.report.words import clock, counted, moment, seconds
from persistq.timings import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from persistq.report.axis import Axis
    from persistq.report.figures import Bucket, RunFigures, StageFigures, WorkerFigures

BARS_HEIGHT: Final = 96
_LEAST_HEIGHT: Final = 2
"""So that a single item is seen."""

LANE: Final = 11
"""Height of a lane with the room below it."""
_BAR: Final = 8
_NARROWEST: Final = 0.15
"""Hundredths of the width that a process takes at least."""

_ENDINGS: Final = {"left": "left", "working": "working", "unknown": "unknown"}


def histogram(stage: StageFigures) -> Markup:
    """Return the durations of a stage as bars; each is half an octave wide."""
    places = [_place(bucket) for bucket in stage.durations]
    first, last = places[0], places[-1]
    width = 100 / (last - first + 1)
    highest = max(bucket.items for bucket in stage.durations)
    bars = [
        _duration_bar(bucket, (place - first) * width, width, highest)
        for place, bucket in zip(places, stage.durations, strict=True)
    ]
    label = f"Durations of {stage.stage}, from {seconds(stage.durations[0].least)} on"
    return _drawing("histogram", BARS_HEIGHT, label, bars)


def _place(bucket: Bucket) -> int:
    """Return which one of all buckets this is."""
    return BOUNDS.index(bucket.most) if bucket.least < bucket.most else len(BOUNDS)


def _duration_bar(bucket: Bucket, x: float, width: float, highest: int) -> Markup:
    height = max(_LEAST_HEIGHT, round(BARS_HEIGHT * bucket.items / highest, 1))
    span = f"{seconds(bucket.least)} to {seconds(bucket.most)}"
    title = f"{span}: {counted(bucket.items, 'item')}"
    return element(
        "rect",
        element("title", title),
        x=_percent(x + width * 0.06),
        width=_percent(width * 0.88),
        y=round(BARS_HEIGHT - height, 1),
        height=height,
        class_="bar",
    )


def share_bar(part: float, whole: float, label: str) -> Markup:
    """Return a bar of which a part is filled."""
    filled = _percent(100 * part / whole if whole else 0)
    bars = [
        element("rect", width="100%", height=_BAR, rx=2, class_="rest"),
        element("rect", width=filled, height=_BAR, rx=2, class_="bar"),
    ]
    return _drawing("share", _BAR, label, bars)


def run_line(runs: Sequence[RunFigures], axis: Axis) -> Markup:
    """Return all runs in one lane."""
    bars = [
        _bar(axis, (run.started.timestamp(), run.until.timestamp()), 0, run.result, _run_title(run))
        for run in runs
    ]
    return _drawing("runs", LANE, counted(len(runs), "run"), bars)


def _run_title(run: RunFigures) -> str:
    return (
        f"run {run.run}: {moment(run.started)}, {seconds(run.seconds)}, "
        f"{run.result}; {counted(run.done, 'item')} done"
    )


def time_line(stage: str, workers: Sequence[WorkerFigures], axis: Axis) -> Markup:
    """Return the workers of a stage, one below the other; a mark is where one has died."""
    lanes = lanes_of(workers)
    bars = [
        mark
        for number, lane in enumerate(lanes)
        for worker in lane
        for mark in _worker_marks(worker, number * LANE, axis)
    ]
    resumes = [_resume(share) for share in axis.resumes]
    label = f"{counted(len(workers), 'process', 'processes')} of {stage}"
    return _drawing("lanes", LANE * len(lanes), label, [*resumes, *bars])


def _worker_marks(worker: WorkerFigures, y: int, axis: Axis) -> Iterator[Markup]:
    began, until = worker.began.timestamp(), worker.until.timestamp()
    title = (
        f"process {worker.pid}, run {worker.run}: {clock(worker.began)} to {clock(worker.until)}, "
        f"{worker.ending}"
    )
    yield _bar(axis, (began, until), y, _ENDINGS.get(worker.ending, "died"), title)
    if worker.has_died:
        end = _percent(100 * axis.share(until))
        yield element("circle", cx=end, cy=y + _BAR / 2, r=3.5, class_="death")


def _bar(axis: Axis, span: tuple[float, float], y: int, ending: str, title: str) -> Markup:
    begin, end = (100 * axis.share(at) for at in span)
    return element(
        "rect",
        element("title", title),
        x=_percent(begin),
        width=_percent(max(_NARROWEST, end - begin)),
        y=y,
        height=_BAR,
        rx=2,
        class_=f"life {ending}",
    )


def _resume(share: float) -> Markup:
    x = _percent(100 * share)
    return element("line", x1=x, x2=x, y1=0, y2="100%", class_="resume")


def _drawing(kind: str, height: int, label: str, marks: Sequence[Markup]) -> Markup:
    return element(
        "svg", marks, class_=kind, height=height, width="100%", role="img", aria_label=label
    )


def _percent(value: float) -> str:
    return f"{value:.3f}%"
