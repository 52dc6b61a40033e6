"""How a load went on: its charts, which a script draws, and the time line of its processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistq.report import drawings, words
from persistq.report.markup import Markup, element, joined
from persistq.report.parts import section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persistq.report.axis import Axis
    from persistq.report.figures import Figures, WorkerFigures


def over_time(figures: Figures, axis: Axis) -> Markup | None:
    """Return that part of the page, if there was a run."""
    if not figures.runs:
        return None
    return section(
        "course",
        "Over time",
        _earlier(figures),
        _charts(figures),
        _time_line(figures, axis),
        _scale(figures, axis),
    )


def _earlier(figures: Figures) -> Markup | None:
    if not figures.runs_before:
        return None
    shown = words.counted(len(figures.runs), "run is", "runs are")
    return element(
        "p",
        f"The last {shown} shown, of {figures.runs_before + len(figures.runs):,}.",
        class_="quiet",
    )


def _charts(figures: Figures) -> Markup:
    if not figures.course:
        return element("p", "Nothing was sampled, or it is not kept any more.", class_="quiet")
    return joined(
        _chart("throughput", "Items done per second"),
        _chart("memory", "Memory"),
        element(
            "p",
            "These two charts need JavaScript; the table of runs says the same.",
            class_="undrawn",
        ),
    )


def _chart(name: str, title: str) -> Markup:
    label = f"{title}, over time; the table of runs has the figures"
    return element(
        "figure",
        element("figcaption", title),
        element("div", class_="chart", id=name, role="img", aria_label=label),
    )


def _time_line(figures: Figures, axis: Axis) -> Markup:
    stages = [
        (element("figcaption", f"Workers of {stage}"), drawings.time_line(stage, some, axis))
        for stage, some in _workers(figures)
    ]
    return element(
        "figure",
        element("figcaption", "Runs"),
        drawings.run_line(figures.runs, axis),
        stages,
        _left_out(figures),
        class_="time-line",
    )


def _workers(figures: Figures) -> Iterator[tuple[str, list[WorkerFigures]]]:
    """Return the processes of each stage that had some, in the order of the stages."""
    by_stage: dict[str, list[WorkerFigures]] = {stage.stage: [] for stage in figures.stages}
    for worker in figures.workers:
        by_stage.setdefault(worker.stage, []).append(worker)
    return ((stage, some) for stage, some in by_stage.items() if some)


def _left_out(figures: Figures) -> Markup | None:
    if not figures.workers_before:
        return None
    shown, before = len(figures.workers), figures.workers_before
    return element("p", f"The last {shown:,} processes, of {shown + before:,}.", class_="quiet")


def _scale(figures: Figures, axis: Axis) -> Markup:
    first, last = figures.runs[0].started, figures.runs[-1].until
    pauses = "Pauses between runs are cut short." if len(figures.runs) > 1 else ""
    marks = " Each dashed line is a resume." if axis.resumes else ""
    keys = [
        element("span", text, class_=f"key {name}")
        for name, text in (
            ("left", "left in order"),
            ("died", "died or was killed"),
            ("working", "at work"),
            ("unknown", "nobody saw how it ended"),
        )
    ]
    return joined(
        element(
            "p",
            element("span", words.moment(first)),
            element("span", words.moment(last)),
            class_="scale quiet",
        ),
        element("p", keys, element("span", pauses, marks), class_="keys quiet"),
    )
