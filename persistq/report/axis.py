"""The axis of time that all drawings of a load share: what lies between two runs is cut short.

A load that has died at night and was resumed in the morning would be two strokes otherwise.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistq.report.figures import RunFigures

GAP_MOST: Final = 0.02
GAPS_MOST: Final = 0.15
"""Most of the time of all runs that one pause between them takes, and that all pauses take."""


RESUMES_MOST: Final = 40
"""Of more runs it is not marked where each begins."""


class Span(NamedTuple):
    """One run on the axis.

    Attributes:
        begin: When it began, in seconds since 1970.
        end: When it ended.
        place: Where it begins, in seconds from the left.
    """

    begin: float
    end: float
    place: float


class Axis:
    """Says where moments lie.

    Args:
        runs: The runs, in order.

    Attributes:
        spans: Each run; none overlap, also where a clock was set back.
        length: Of the whole axis, in seconds; never 0.
    """

    def __init__(self, runs: Sequence[RunFigures]) -> None:
        self.spans = _spans([(run.started.timestamp(), run.until.timestamp()) for run in runs])
        self.length = _end_of(self.spans[-1]) if self.spans else 0.0
        self.length = self.length or 1.0

    def share(self, at: float) -> float:
        """Return where a moment lies, from 0 to 1.

        Args:
            at: The moment, in seconds since 1970.
        """
        number = bisect_right(self.spans, at, key=lambda span: span.begin) - 1
        if number < 0:
            return 0.0
        span = self.spans[number]
        return (span.place + min(at, span.end) - span.begin) / self.length

    @property
    def resumes(self) -> list[float]:
        """Where runs begin that carry on, from 0 to 1; none of very many."""
        if len(self.spans) > RESUMES_MOST:
            return []
        return [span.place / self.length for span in self.spans[1:]]


def _spans(runs: Sequence[tuple[float, float]]) -> list[Span]:
    work = sum(max(0.0, end - begin) for begin, end in runs)
    gap = work * min(GAP_MOST, GAPS_MOST / max(1, len(runs) - 1))
    spans: list[Span] = []
    for begin, end in runs:
        last = spans[-1] if spans else Span(begin, begin, 0.0)
        first = max(begin, last.end)
        spans.append(Span(first, max(first, end), _end_of(last) + min(gap, first - last.end)))
    return spans


def _end_of(span: Span) -> float:
    return span.place + span.end - span.begin
