"""Items of one millisecond: what a pipeline adds to real work."""

from __future__ import annotations

from collections.abc import Iterator

import targets
from contest import Claim, Contender, Outcome, Scale, Scenario
from places import Stamps
from rivals import ours, pools
from rivals.spinning import spin, wall

from persistq import Pipeline

WORKERS = 2
SECONDS = 0.001

pipeline = Pipeline("bench", workers=WORKERS)


@pipeline.source
def numbers(items: int) -> Iterator[int]:
    """Yield so many integers."""
    yield from range(items)


@pipeline.context
def stamps() -> Stamps:
    """Open the notes of this process."""
    return Stamps()


@pipeline.stage
def work(item: int, ctx: Stamps) -> None:
    """Be busy for a millisecond."""
    ctx.write(item, *spin(SECONDS))


def run_pipeline(items: int) -> Outcome:
    """Run the pipeline; from the first item's start to the last one's end."""
    notes = Stamps(items)
    pipeline.run(params={"items": items}, progress="none")
    return wall(notes)


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items = scale.of(4_000, tiny=50)
    return Scenario(
        name="millisecond",
        title=f"{items:,} items of 1 ms through a pipeline with {WORKERS} workers",
        unit="s",
        better="lower",
        method="Handlers spin for 1 ms and note when they start and end. Counted is from the first "
        "start to the last end, so start-up is excluded on both sides. "
        f"{items * SECONDS / WORKERS:g} s is the least possible.",
        payload="an int",
        contenders=[
            Contender(
                name="persistq",
                play="scenarios.millisecond:run_pipeline",
                options={"items": items},
                durable=ours.DURABLE,
                ours=True,
            ),
            Contender(
                name="Pool.imap_unordered",
                play="rivals.pools:imap_spinning",
                options={"items": items, "workers": WORKERS, "seconds": SECONDS},
                durable=pools.DURABLE,
            ),
        ],
        claims=[
            Claim(
                label="persistq / Pool.imap_unordered",
                ours="persistq",
                rivals=("Pool.imap_unordered",),
                target=targets.MILLISECOND,
            )
        ],
    )
