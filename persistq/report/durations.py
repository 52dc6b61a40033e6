"""How long the items of each stage took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistq.report import drawings, words
from persistq.report.markup import Markup, element
from persistq.report.parts import section

if TYPE_CHECKING:
    from persistq.report.figures import Figures, StageFigures


def durations(figures: Figures) -> Markup | None:
    """Return that part of the page, if anything was measured."""
    measured = [stage for stage in figures.stages if stage.durations]
    if not measured:
        return None
    cards = element("div", map(_card, measured), class_="cards")
    return section("durations", "Durations", cards)


def _card(stage: StageFigures) -> Markup:
    first, last = stage.durations[0].least, stage.durations[-1].most
    quantiles = (
        ("median", stage.p50),
        ("95 %", stage.p95),
        ("99 %", stage.p99),
        ("longest", stage.longest),
    )
    return element(
        "article",
        element("h3", stage.stage),
        drawings.histogram(stage),
        element(
            "p",
            element("span", words.seconds(first)),
            element("span", words.seconds(last)),
            class_="scale quiet",
        ),
        element("dl", (_pair(name, words.seconds(value)) for name, value in quantiles)),
        drawings.share_bar(stage.worked, stage.worked + stage.waited, "Busy and waiting"),
        element("p", _busy(stage), class_="quiet"),
        class_="card",
    )


def _pair(name: str, value: str) -> Markup:
    return element("div", element("dt", name), element("dd", value))


def _busy(stage: StageFigures) -> str:
    total = stage.worked + stage.waited
    return (
        f"Its workers were busy {words.share(stage.worked, total)} of the time: "
        f"{words.seconds(stage.worked)} at work, {words.seconds(stage.waited)} waiting."
    )
