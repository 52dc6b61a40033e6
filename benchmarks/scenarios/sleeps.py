"""Items that wait: what a pipeline adds to asyncio."""

from __future__ import annotations

from collections.abc import Iterator

import targets
from contest import Claim, Contender, Outcome, Scale, Scenario
from places import Stamps
from rivals import ours, sleeping
from rivals.spinning import wall

from persistq import Pipeline

SECONDS = 0.05
AT_ONCE = 100

pipeline = Pipeline("bench", workers=1)


@pipeline.source
def numbers(items: int) -> Iterator[int]:
    """Yield so many integers."""
    yield from range(items)


@pipeline.context
def stamps() -> Stamps:
    """Open the notes of this process."""
    return Stamps()


@pipeline.stage(concurrency=AT_ONCE)
async def work(item: int, ctx: Stamps) -> None:
    """Wait for 50 milliseconds."""
    ctx.write(item, *await sleeping.sleep(SECONDS))


def run_pipeline(items: int) -> Outcome:
    """Run the pipeline; from the first item's start to the last one's end."""
    notes = Stamps(items)
    pipeline.run(params={"items": items}, progress="none")
    return wall(notes)


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items = scale.of(1_000, tiny=50)
    return Scenario(
        name="sleeps",
        title=f"{items:,} sleeps of 50 ms in one process, {AT_ONCE} at the same time",
        unit="s",
        better="lower",
        method="Handlers wait for 50 ms and note when they start and end. Counted is from the "
        "first start to the last end, so start-up is excluded on both sides. "
        f"{items * SECONDS / AT_ONCE:g} s is the least possible.",
        payload="an int",
        contenders=[
            Contender(
                name="persistq",
                play="scenarios.sleeps:run_pipeline",
                options={"items": items},
                durable=ours.DURABLE,
                ours=True,
            ),
            Contender(
                name="asyncio alone",
                play="rivals.sleeping:alone",
                options={"items": items, "seconds": SECONDS, "at_once": AT_ONCE},
                durable=sleeping.DURABLE,
            ),
        ],
        claims=[
            Claim(
                label="persistq / asyncio alone",
                ours="persistq",
                rivals=("asyncio alone",),
                target=targets.SLEEPS,
            )
        ],
    )
