"""How long a stage takes for its items: a few figures, and the bars of a histogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from persistq.timings import bounds_of, quantile

if TYPE_CHECKING:
    from persistq.timings import StageTimes

HEIGHT: Final = 20
"""How high the highest bar is."""


class Column(NamedTuple):
    """A bar of a histogram.

    Attributes:
        place: Which one it is, from 0.
        height: How high it is, up to `HEIGHT`.
        items: How many took so long.
        low: From how long, in seconds.
        high: To how long.
    """

    place: int
    height: float
    items: int
    low: float
    high: float


class Durations(NamedTuple):
    """How long a stage takes.

    Attributes:
        stage: The stage's name.
        items: How many items are counted.
        median: Half of them took at most so long, in seconds; then the same for 95 and 99 %.
        p95: See above.
        p99: See above.
        busy: Which share of the workers' time was work, from 0 to 1; None if none is known.
        columns: The histogram.
    """

    stage: str
    items: int
    median: float
    p95: float
    p99: float
    busy: float | None
    columns: list[Column]


def durations_of(stage: str, times: StageTimes) -> Durations:
    """Return what is shown of how long a stage takes."""
    total = times.worked + times.waited
    return Durations(
        stage,
        sum(times.counts.values()),
        quantile(times.counts, 0.5),
        quantile(times.counts, 0.95),
        quantile(times.counts, 0.99),
        times.worked / total if total else None,
        _columns(times),
    )


def _columns(times: StageTimes) -> list[Column]:
    counts = {bucket: count for bucket, count in times.counts.items() if count}
    if not counts:
        return []
    first, most = min(counts), max(counts.values())
    return [
        Column(bucket - first, round(HEIGHT * count / most, 1), count, *bounds_of(bucket))
        for bucket, count in sorted(counts.items())
    ]
