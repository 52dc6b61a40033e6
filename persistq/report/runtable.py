"""The runs of a load one by one, and where all of this is from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistq.report import words
from persistq.report.markup import Child, Markup, element
from persistq.report.parts import section, table

if TYPE_CHECKING:
    from persistq.report.figures import Figures, RunFigures


def run_table(figures: Figures) -> Markup | None:
    """Return that part of the page, if there was a run."""
    if not figures.runs:
        return None
    titles = ("run", "started", "took", "did", "per second", "workers", "died", "memory", "result")
    rows = [_run_row(run) for run in figures.runs]
    return section("runs", "Runs", table(titles, rows, "Runs; all but the first are resumes"))


def _run_row(run: RunFigures) -> list[Child]:
    result = f"{run.result}: {run.reason}" if run.reason else run.result
    return [
        element("th", str(run.run), scope="row"),
        words.moment(run.started),
        words.seconds(run.seconds),
        words.count(run.done),
        words.rate(run.done / run.seconds) if run.seconds else "-",
        words.count(run.workers),
        words.count(run.deaths),
        words.size(run.rss) if run.rss else "-",
        element("td", result, class_=f"wide {run.result}"),
    ]


def origin(figures: Figures) -> Markup:
    """Return the end of the page."""
    return element(
        "footer",
        element("p", "Command: ", element("code", figures.command)) if figures.command else None,
        element("p", "Journal: ", element("code", figures.journal)),
        element("p", f"As of {words.moment(figures.at)}. Secrets are masked. Made by persistq."),
        class_="quiet",
    )
