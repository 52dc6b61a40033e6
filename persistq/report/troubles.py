"""What went wrong, and what took long: failures by kind, and the slowest items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from persistq.report import words
from persistq.report.markup import Child, Markup, element
from persistq.report.parts import section, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistq.report.figures import FailureFigures, Figures, SlowFigures


_OPEN_MOST: Final = 5
"""So many kinds of failures are shown at once."""

_UNCOUNTED: Final = {
    "suspect": "at work when its process died, with others; not counted",
    "deferred": "put off by its handler; not counted",
}


def failures(figures: Figures) -> Markup | None:
    """Return that part of the page, if any attempt has failed."""
    if not figures.failures:
        return None
    listed = [_failure(one) for one in figures.failures]
    first, further = listed[:_OPEN_MOST], listed[_OPEN_MOST:]
    shown = sum(one.attempts for one in figures.failures)
    rest = figures.effort.failed_attempts - shown
    more = f"{words.counted(rest, 'failed attempt')} of other kinds." if rest > 0 else None
    return section(
        "failures",
        "Failures",
        first,
        _folded(further),
        element("p", more, class_="quiet") if more else None,
    )


def _folded(further: Sequence[Markup]) -> Markup | None:
    if not further:
        return None
    title = f"{words.counted(len(further), 'kind')} more, less frequent"
    return element("details", element("summary", title), *further, class_="more")


def _failure(one: FailureFigures) -> Markup:
    example = one.example
    what = f"{one.kind}: {one.type}" if one.kind != "exception" else one.type
    attempts = words.counted(one.attempts, "attempt")
    where = f"{attempts} at {words.counted(one.items, 'item')} in {one.stage}"
    note = f"; {_UNCOUNTED[one.kind]}" if one.kind in _UNCOUNTED else ""
    return element(
        "article",
        element("h3", what),
        element("p", f"{where}{note}", class_="quiet"),
        element("p", example.message, class_="message") if example.message else None,
        element(
            "p",
            f"The latest, {words.moment(example.at)}: ",
            element("b", example.name),
            " ",
            element("code", example.payload) if example.payload else "which is not kept any more",
        ),
        _traceback(example.traceback),
        class_="failure",
    )


def _traceback(text: str) -> Markup | None:
    if not text:
        return None
    return element("details", element("summary", "Traceback"), element("pre", text))


def slowest(figures: Figures) -> Markup | None:
    """Return that part of the page, if items took long."""
    if not figures.slow:
        return None
    titles = ("item", "took", "payload")
    rows = [_slow_row(one) for one in figures.slow]
    return section("slow", "Slowest items", table(titles, rows, "Slowest items"))


def _slow_row(one: SlowFigures) -> list[Child]:
    payload = element("code", one.payload) if one.payload else "not kept any more"
    return [
        element("th", one.name, scope="row"),
        words.seconds(one.seconds),
        element("td", payload, class_="wide"),
    ]
