"""Charts over time, as the page's script is told of them."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from persistq.timings import Sample, StageSample

POINTS: Final = 300
"""About so many points a chart has at most: more cannot be told apart."""

_LATELY: Final = 10

CURVES: Final = 8
"""Most stages that are drawn: the first ones."""


class Curve(NamedTuple):
    """One line of a chart.

    Attributes:
        name: What it is of.
        values: One for each moment; None where nothing is known, which is a gap.
    """

    name: str
    values: list[float | None]


class Chart(NamedTuple):
    """Lines over the same moments.

    Attributes:
        unit: What the values are: ``items/s`` or ``bytes``.
        times: The moments, in seconds since 1970.
        curves: The lines.
    """

    unit: str
    times: list[float]
    curves: list[Curve]

    @property
    def data(self) -> str:
        """All of it as JSON."""
        curves = [{"name": curve.name, "values": curve.values} for curve in self.curves]
        return json.dumps({"unit": self.unit, "times": self.times, "curves": curves})

    def lately(self, name: str) -> float | None:
        """Return the mean of the last known values of a line; None if there are none."""
        for curve in self.curves:
            known = [value for value in curve.values if value is not None][-_LATELY:]
            if curve.name == name and known:
                return sum(known) / len(known)
        return None

    @property
    def latest(self) -> list[tuple[str, float]]:
        """The last known value of each line, for who does not see it."""
        found = []
        for curve in self.curves:
            known = [value for value in curve.values if value is not None]
            found.append((curve.name, known[-1] if known else 0.0))
        return found


Stages = dict[int, str]
"""The names of stages, by queue."""


def rates(runs: Sequence[Sequence[Sample]], stages: Stages) -> Chart:
    """Return how many items of each stage have ended in a second.

    Args:
        runs: The samples of each run, oldest first.
        stages: The stages; the first ones are drawn.
    """
    drawn = [*stages][:CURVES]

    def row(before: Sample, sample: Sample) -> _Row:
        return [_rate_between(before, sample, queue_id) for queue_id in drawn]

    return _chart("items/s", [stages[queue_id] for queue_id in drawn], runs, row)


def memory(runs: Sequence[Sequence[Sample]], stages: Stages) -> Chart:
    """Return how much memory the broker and the workers of each stage took, in bytes.

    Args:
        runs: The samples of each run, oldest first.
        stages: The stages; the first ones are drawn.
    """
    drawn = [*stages][:CURVES]

    def row(_: Sample, sample: Sample) -> _Row:
        return [float(sample.broker_rss), *(_memory_of(sample, queue_id) for queue_id in drawn)]

    names = ["broker", *(stages[queue_id] for queue_id in drawn)]
    return _chart("bytes", names, runs, row)


_Row = list[float | None]


def _chart(
    unit: str,
    names: list[str],
    runs: Sequence[Sequence[Sample]],
    row: Callable[[Sample, Sample], _Row],
) -> Chart:
    moments = [*_moments(runs, row, len(names))]
    curves = [
        Curve(name, [values[place] for _, values in moments]) for place, name in enumerate(names)
    ]
    return Chart(unit, [round(at, 2) for at, _ in moments], curves)


def _moments(
    runs: Sequence[Sequence[Sample]], row: Callable[[Sample, Sample], _Row], width: int
) -> Iterator[tuple[float, _Row]]:
    """Yield the values of all lines, moment by moment, with a gap in front of each later run."""
    step = 1 + sum(map(len, runs)) // POINTS
    for number, samples in enumerate(runs):
        kept = thinned(samples, step)
        if number and kept:
            yield kept[0].at, [None] * width
        for before, sample in pairwise(kept):
            yield sample.at, row(before, sample)


def thinned(samples: Sequence[Sample], step: int) -> list[Sample]:
    """Return every so many-th sample, and the last one."""
    kept = [*samples[::step]]
    return kept if not samples or kept[-1] is samples[-1] else [*kept, samples[-1]]


def _rate_between(before: Sample, sample: Sample, queue_id: int) -> float | None:
    one, other = _stage(before.stages, queue_id), _stage(sample.stages, queue_id)
    span = sample.at - before.at
    if one is None or other is None or span <= 0:
        return None
    return round(max(0, _ended(other) - _ended(one)) / span, 2)


def _memory_of(sample: Sample, queue_id: int) -> float | None:
    stage = _stage(sample.stages, queue_id)
    return float(stage.rss) if stage is not None else None


def _ended(stage: StageSample) -> int:
    return stage.done + stage.dropped + stage.parked


def _stage(stages: Iterable[StageSample], queue_id: int) -> StageSample | None:
    return next((stage for stage in stages if stage.queue_id == queue_id), None)
