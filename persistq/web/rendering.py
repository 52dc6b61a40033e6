"""Pages made of templates: everything in them is escaped, and nothing can hide in a text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from persistq.cli.standing import coarse, duration, moment, sized
from persistq.text.masking import masked_text
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT_MAX: Final = 100_000
"""Most characters of one text on a page; of a longer one the beginning is shown."""


def rendered(template: str, values: Mapping[str, Any]) -> Markup:
    """Return a piece of a page.

    Args:
        template: The file's name.
        values: What it may name.
    """
    return Markup(_templates().get_template(template).render(values))  # noqa: S704 - it escapes


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("persistq.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_safe,
    )
    made.filters |= {
        "ago": _ago,
        "count": lambda value: f"{value:,}",
        "coarse": lambda seconds: coarse(timedelta(seconds=seconds)),
        "lasted": lambda span: duration(span) if span is not None else "-",
        "moment": moment,
        "rate": rate_in_words,
        "seconds": seconds_in_words,
        "sized": sized,
        "text": _text,
    }
    return made


def _safe(value: Any) -> Any:
    """Return what is written for a value: characters that turn or break a line are escaped."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return printable(value)


def _text(value: str) -> Markup:
    """Return a text of several lines, with the passwords in its URLs masked."""
    lines = masked_text(value[:TEXT_MAX]).rstrip().split("\n")
    shown = [printable(line.expandtabs()) for line in lines]
    return escape("\n".join([*shown, "…"] if len(value) > TEXT_MAX else shown))


def _ago(time: datetime | None) -> Markup:
    """Return how long ago a moment was, with the moment itself for who wants to know."""
    if time is None:
        return Markup("-")
    words = coarse(datetime.now(UTC) - time)
    return Markup('<time datetime="{}" title="{}">{} ago</time>').format(
        time.isoformat(), moment(time), words
    )


def rate_in_words(rate: float | None) -> str:
    """Return a rate for people, such as ``1,234/s`` or ``3/min``."""
    if rate is None:
        return "-"
    if rate >= 10:
        return f"{rate:,.0f}/s"
    if rate >= 1:
        return f"{rate:.1f}/s"
    return f"{rate * 60:.1f}/min" if rate else "0/s"


def seconds_in_words(seconds: float) -> str:
    """Return a short duration for people, such as ``12 µs``, ``3.4 ms`` or ``1m20s``."""
    for below, factor, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms")):
        if seconds < below:
            shown = seconds * factor
            return f"{shown:.0f} {unit}" if shown >= 10 else f"{shown:.1f} {unit}"
    return duration(timedelta(seconds=seconds))
