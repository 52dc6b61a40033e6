"""Short items put in bulk and drained: what a queue itself costs."""

from __future__ import annotations

import targets
from contest import Claim, Contender, Scale, Scenario
from rivals import joinable, ours


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items = scale.of(400_000, tiny=2_000)
    counts = (2,) if scale.name == "tiny" else tuple(targets.BULK)
    return Scenario(
        name="bulk",
        title=f"{items:,} integers put in bulk and drained by 2, 4 and 8 processes",
        unit="items/s",
        better="higher",
        method="One process puts while W others, started before, drain. From the first put until "
        "everything is done, for persistq also recorded, and all workers have ended. persistq: "
        "put_many, then `for item in queue: queue.task_done()`. JoinableQueue: a loop of put, a "
        "sentinel for each worker, get and task_done, join. Each worker adds one to a byte of "
        "shared memory for each item, so that losses and duplicates would show.",
        payload="an int",
        contenders=[one for workers in counts for one in _contenders(items, workers)],
        claims=[_claim(workers) for workers in counts],
    )


def _contenders(items: int, workers: int) -> list[Contender]:
    options = {"items": items, "workers": workers}
    return [
        Contender(
            name=f"persistq, {workers} workers",
            play="rivals.ours:drain",
            options=options,
            durable=ours.DURABLE,
            ours=True,
        ),
        Contender(
            name=f"JoinableQueue, {workers} workers",
            play="rivals.joinable:drain",
            options=options,
            durable=joinable.DURABLE,
        ),
    ]


def _claim(workers: int) -> Claim:
    return Claim(
        label=f"persistq / JoinableQueue, {workers} workers",
        ours=f"persistq, {workers} workers",
        rivals=(f"JoinableQueue, {workers} workers",),
        target=targets.BULK[workers],
    )
