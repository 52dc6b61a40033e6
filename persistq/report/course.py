"""How a run went on: what is sampled of it, as rates and memory, in as few moments as are drawn."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from persistq.report.figures import RunCourse, StageCourse
from persistq.timings import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persistq.journal.run import Run
    from persistq.timings import StageSample

MOMENTS: Final = 500
"""About how many moments of a load are drawn; two at least of each run."""


def course_of(
    run: Run, samples: Sequence[Sample], names: Mapping[int, str], most: int
) -> RunCourse:
    """Return how a run went on.

    Args:
        run: The run.
        samples: Its samples, two at least.
        names: What its stages are called, by queue; others are left out.
        most: About how many moments to return.
    """
    kept = _thinned(samples, most)
    return RunCourse(
        run.run_id,
        [round(sample.at, 3) for sample in kept],
        [sample.broker_rss for sample in kept],
        [_stage(kept, queue_id, name) for queue_id, name in names.items()],
    )


def begun(run: Run, samples: list[Sample], done: Mapping[int, int]) -> list[Sample]:
    """Return the samples of a run, with one of its beginning.

    A run that was over within a second has one sample, of its end.

    Args:
        run: The run.
        samples: What is recorded.
        done: How many items were done in it, by queue.
    """
    if len(samples) != 1:
        return samples
    [last] = samples
    at = min(run.started_at.timestamp(), last.at)
    stages = (one._replace(done=one.done - done.get(one.queue_id, 0), rss=0) for one in last.stages)
    return [Sample(0, at, last.broker_rss, tuple(stages)), last]


def memory_of(sample: Sample) -> int:
    """Return how much memory broker and workers took together."""
    return sample.broker_rss + sum(stage.rss for stage in sample.stages)


def done_of(sample: Sample, queues: Mapping[int, str]) -> int:
    """Return how many items of some stages were done then."""
    return sum(stage.done for stage in sample.stages if stage.queue_id in queues)


def _thinned(samples: Sequence[Sample], most: int) -> list[Sample]:
    """Return some of the samples, with the first and the last one."""
    if len(samples) <= most:
        return list(samples)
    last = len(samples) - 1
    steps = max(1, most - 1)
    return [samples[step * last // steps] for step in range(steps + 1)]


def _stage(samples: Sequence[Sample], queue_id: int, name: str) -> StageCourse:
    stages = [_stage_of(sample, queue_id) for sample in samples]
    rates = [
        _rate(earlier.at, later.at, before, after)
        for (earlier, later), (before, after) in zip(
            pairwise(samples), pairwise(stages), strict=True
        )
    ]
    return StageCourse(name, [None, *rates], [stage.rss if stage else 0 for stage in stages])


def _stage_of(sample: Sample, queue_id: int) -> StageSample | None:
    return next((stage for stage in sample.stages if stage.queue_id == queue_id), None)


def _rate(
    earlier: float, later: float, before: StageSample | None, after: StageSample | None
) -> float | None:
    """Return items per second; None if they are not known, or a clock was set back."""
    if before is None or after is None or later <= earlier:
        return None
    return round(max(0, after.done - before.done) / (later - earlier), 3)
