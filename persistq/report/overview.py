"""What a page says first: what came of the load, its figures, its stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistq.report import words
from persistq.report.markup import Child, Markup, element, joined
from persistq.report.outcome import sentence, tone_of
from persistq.report.parts import section, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persistq.report.figures import Figures, StageFigures


def overview(figures: Figures) -> Markup:
    """Return the first parts of the page."""
    return joined(_head(figures), _outcome(figures), _tiles(figures), _stages(figures))


def _head(figures: Figures) -> Markup:
    asked = ", ".join(f"{name}={value}" for name, value in figures.parameters.items())
    about = f"Load {figures.load}, a {figures.kind}{f', {asked}' if asked else ''}"
    return element("header", element("h1", figures.name), element("p", about, class_="quiet"))


def _outcome(figures: Figures) -> Markup:
    return element(
        "section",
        element("p", sentence(figures), class_="sentence"),
        _typed(_purpose(figures), figures.next),
        _typed("To see what has failed:", figures.look),
        _purged(figures),
        class_=f"outcome {tone_of(figures)}",
        aria_label="Outcome",
    )


def _purpose(figures: Figures) -> str:
    return "To retry what has failed:" if figures.state == "settled" else "To carry on:"


def _typed(label: str, command: str | None) -> Markup | None:
    if command is None:
        return None
    return element("p", f"{label} ", element("code", command))


def _purged(figures: Figures) -> Markup | None:
    if figures.purged is None:
        return None
    return element(
        "p",
        f"This load was purged on {words.moment(figures.purged)}: its items and its course over "
        "time are gone. Counters, durations, runs, workers, failures, and items that are parked as "
        "failed are kept.",
    )


def _tiles(figures: Figures) -> Markup:
    return element("dl", _tile_list(figures), class_="tiles")


def _tile_list(figures: Figures) -> Iterator[Markup]:
    items, effort = figures.items, figures.effort
    dropped = f", {words.count(items.dropped)} dropped" if items.dropped else ""
    yield _tile("done", words.count(items.done), f"of {words.count(items.put)} items{dropped}")
    yield _tile("outstanding", words.count(items.outstanding))
    yield _tile("parked as failed", words.count(items.parked), alarm=items.parked > 0)
    yield _tile("at work", words.seconds(effort.seconds), words.rate(effort.rate))
    resumes = len(figures.runs) + figures.runs_before - 1
    yield _tile("resumes", words.count(max(0, resumes)))
    yield _tile("workers died", words.count(effort.deaths), alarm=effort.deaths > 0)
    yield _tile("attempts failed", words.count(effort.failed_attempts))
    yield _tile("most memory", words.size(effort.rss) if effort.rss else "-")


def _tile(name: str, value: str, more: str = "", *, alarm: bool = False) -> Markup:
    small = element("small", more) if more else None
    return element(
        "div",
        element("dt", name),
        element("dd", value, small),
        class_="tile alarm" if alarm else "tile",
    )


def _stages(figures: Figures) -> Markup:
    titles = ("stage", "put", "done", "dropped", "parked", "outstanding", "")
    rows = [_stage_row(stage) for stage in figures.stages]
    return section("stages", "Stages", table(titles, rows, "Stages with their items"))


def _stage_row(stage: StageFigures) -> list[Child]:
    items = stage.items
    counts = items.put, items.done, items.dropped, items.parked, items.outstanding
    share = words.share(items.done, items.put)
    return [element("th", stage.stage, scope="row"), *map(words.count, counts), f"{share} done"]
