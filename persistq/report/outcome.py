"""What came of a load, in a sentence: what the page says first."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from persistq.report.words import count, counted, moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persistq.report.figures import Figures


class Tone(enum.StrEnum):
    """How good that is."""

    GOOD = "good"
    LIVE = "live"
    WARN = "warn"
    BAD = "bad"


def tone_of(figures: Figures) -> Tone:
    """Return how good it is."""
    if figures.state == "running":
        return Tone.LIVE
    if figures.state != "settled":
        return Tone.WARN
    return Tone.BAD if figures.items.parked else Tone.GOOD


def sentence(figures: Figures) -> str:
    """Return what came of a load."""
    items = figures.items
    details = ", ".join(_details(figures))
    if figures.state == "running":
        return f"At work, as of {moment(figures.at)}: {details}."
    if figures.state != "settled":
        return f"{figures.state.capitalize()}: {details}."
    if items.parked:
        failed = counted(items.parked, "item has", "items have")
        return f"Settled, but {failed} failed; {details}."
    if items.done == items.put:
        return (
            f"Settled: all {counted(items.put, 'item')} are done."
            if items.put
            else ("Settled: there was nothing to do.")
        )
    return f"Settled: {details}."


def _details(figures: Figures) -> Iterator[str]:
    items = figures.items
    if figures.state != "settled":
        yield f"{counted(items.outstanding, 'item is', 'items are')} outstanding"
    yield f"{counted(items.done, 'is', 'are')} done"
    if items.dropped:
        yield f"{count(items.dropped)} dropped"
    if items.parked and figures.state != "settled":
        yield f"{count(items.parked)} parked as failed"
