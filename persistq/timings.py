"""How long things take: histograms of durations, and what is kept of a run's course.

A bucket is half an octave: each bound is the square root of two times the one below it. That tells
a median to a fifth, and keeps what is recorded of millions of items in some twenty numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Final, NamedTuple

SHORTEST_S: Final = 1e-5
"""Durations below this are not told apart: the clock, and what is around a handler, would be."""

BOUNDS: Final = tuple(SHORTEST_S * 2 ** (step / 2) for step in range(70))
"""Upper bounds of all buckets but the last, in seconds; bucket 0 is below the first. The last one
begins at about three days."""

_bucket_of = partial(bisect_right, BOUNDS)


def counted(seconds: Sequence[float]) -> Counter[int]:
    """Return how many durations are in each bucket that has some.

    Args:
        seconds: Durations. Most of very many are in bucket 0 usually, and cost one comparison.
    """
    longer = [one for one in seconds if one >= SHORTEST_S]
    counts = Counter(map(_bucket_of, longer))
    if len(longer) < len(seconds):
        counts[0] = len(seconds) - len(longer)
    return counts


def quantile(counts: Mapping[int, int], share: float) -> float:
    """Return about how long the given share of durations took at most, in seconds.

    Within a bucket they are taken to be spread evenly.

    Args:
        counts: A histogram; empty gives 0.
        share: From 0 to 1; 0.5 is the median.
    """
    wanted = share * sum(counts.values())
    buckets = sorted(bucket for bucket, count in counts.items() if count)
    for bucket, reached in zip(buckets, accumulate(counts[one] for one in buckets), strict=True):
        if reached >= wanted:
            low, high = bounds_of(bucket)
            within = (wanted - (reached - counts[bucket])) / counts[bucket]
            return low + (high - low) * within
    return 0.0


def bounds_of(bucket: int) -> tuple[float, float]:
    """Return from when to when a bucket is, in seconds; the last one ends where it begins."""
    low = BOUNDS[bucket - 1] if bucket else 0.0
    return low, BOUNDS[min(bucket, len(BOUNDS) - 1)]


def together(histograms: Iterable[Mapping[int, int]]) -> Counter[int]:
    """Return the sum of histograms."""
    total: Counter[int] = Counter()
    for counts in histograms:
        total.update(counts)
    return total


@dataclass(slots=True)
class StageTimes:
    """How long one stage took for its items in one run.

    Attributes:
        queue_id: The stage.
        worked: Time in its handler, summed over all items and workers, in seconds.
        waited: Time in which its workers had nothing to do, summed over all of them, in seconds.
        counts: Histogram of the durations of items that were done, by bucket.
    """

    queue_id: int
    worked: float = 0.0
    waited: float = 0.0
    counts: Counter[int] = field(default_factory=Counter)


class SlowItem(NamedTuple):
    """An item that took long.

    Attributes:
        item_id: The item.
        seconds: How long the attempt took at which it was done.
    """

    item_id: int
    seconds: float


class StageSample(NamedTuple):
    """Where one stage stood at one moment of a run.

    Attributes:
        queue_id: The stage.
        put: Its items so far, in all runs of the load; so are the next three.
        done: Those that were done.
        dropped: Those that were dropped.
        parked: Those that are parked.
        worked: As in `StageTimes`, up to then.
        waited: The same.
        rss: Memory of its workers, in bytes, as they have told last; 0 if none has.
    """

    queue_id: int
    put: int
    done: int
    dropped: int
    parked: int
    worked: float
    waited: float
    rss: int


class Sample(NamedTuple):
    """Where a run stood at one moment.

    Attributes:
        tick: Seconds since the run began, rounded down to the step of the samples.
        at: The moment, in seconds since 1970.
        broker_rss: Memory of the broker, in bytes.
        stages: Each stage.
    """

    tick: int
    at: float
    broker_rss: int
    stages: tuple[StageSample, ...]
