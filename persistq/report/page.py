"""The page of a report: one file of HTML that asks nobody for anything.

A policy in it allows its own script and styles by their digests and nothing else, so that a text of
an item could do nothing even if it came to be taken for HTML.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import msgspec

from persistq.report.axis import Axis
from persistq.report.durations import durations
from persistq.report.figures import encoded
from persistq.report.markup import Markup, element, joined, verbatim
from persistq.report.overtime import over_time
from persistq.report.overview import overview
from persistq.report.runtable import origin, run_table
from persistq.report.troubles import failures, slowest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persistq.report.figures import Figures

GENERATOR: Final = "persistq report"

HEAD: Final = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    f'<meta name="generator" content="{GENERATOR}">'
)
"""How each page begins."""

_ESCAPES: Final = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
"""What could end a script, or be taken for the end of a line in one."""


def page_of(figures: Figures) -> str:
    """Return a report as one page of HTML."""
    script = _static("uPlot.iife.min.js") + _static("report.js")
    style = _static("uPlot.min.css") + _static("report.css")
    axis = Axis(figures.runs)
    head = joined(
        element("meta", http_equiv="Content-Security-Policy", content=_policy(script, style)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{figures.name}: load {figures.load}"),
        verbatim("style", style),
    )
    body = joined(
        element("main", _parts(figures, axis)),
        _data("figures", encoded(figures)),
        _data("axis", msgspec.json.encode(_axis(axis))),
        verbatim("script", script),
    )
    return f"{HEAD}{head}</head>{element('body', body)}</html>\n"


def _parts(figures: Figures, axis: Axis) -> Iterator[Markup | None]:
    yield overview(figures)
    yield over_time(figures, axis)
    yield durations(figures)
    yield failures(figures)
    yield slowest(figures)
    yield run_table(figures)
    yield origin(figures)


def _axis(axis: Axis) -> dict[str, Any]:
    return {"spans": axis.spans, "length": axis.length, "resumes": axis.resumes}


def _data(name: str, document: bytes) -> Markup:
    return verbatim(
        "script", document.decode().translate(_ESCAPES), type="application/json", id=name
    )


def _policy(script: str, style: str) -> str:
    return (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _static(name: str) -> str:
    return files("persistq.report").joinpath("static", name).read_text(encoding="utf-8")
