"""Two stages: each item is got, made into another one, put, got and finished."""

from __future__ import annotations

import mmap
import time
from collections.abc import Iterator

from contest import Contender, Outcome, Scale, Scenario
from places import Stamps, count_marks, make_marks, open_marks
from rivals import ours

from persistq import Pipeline

WORKERS = 2

pipeline = Pipeline("bench", workers=WORKERS)


@pipeline.source
def numbers(items: int) -> Iterator[int]:
    """Yield so many integers, and note when the first one is asked for."""
    Stamps().write(0, time.monotonic(), 0.0)
    yield from range(items)


@pipeline.context
def marks() -> mmap.mmap:
    """Open the marks in this process."""
    return open_marks()


@pipeline.stage
def double(item: int) -> int:
    """Make another item of an item."""
    return 2 * item


@pipeline.stage
def mark(item: int, ctx: mmap.mmap) -> None:
    """Mark that an item has come through."""
    ctx[item // 2] += 1


def run_pipeline(items: int) -> Outcome:
    """Run the pipeline; from the first item asked of the source until all are done."""
    make_marks(items)
    notes = Stamps(1)
    pipeline.run(params={"items": items}, progress="none")
    ended = time.monotonic()
    return Outcome(items / (ended - notes.of(0)[0]), count_marks())


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items = scale.of(200_000, tiny=1_000)
    return Scenario(
        name="pipeline",
        title=f"{items:,} integers through a pipeline of two stages, {WORKERS} workers",
        unit="items/s",
        better="higher",
        method="The first stage makes a new item of each, the second marks it. From the first item "
        "asked of the source until `run` returns: each item is recorded twice, and done twice.",
        payload="an int",
        contenders=[
            Contender(
                name="persistq",
                play="scenarios.pipeline:run_pipeline",
                options={"items": items},
                durable=ours.DURABLE,
                ours=True,
            )
        ],
        claims=[],
    )
