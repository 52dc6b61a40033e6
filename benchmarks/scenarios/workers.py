"""More workers than processors must not make a queue slow."""

from __future__ import annotations

import targets
from contest import Claim, Contender, Scale, Scenario
from rivals import ours

COUNTS = (1, 2, 4, 8, 16)


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items = scale.of(400_000, tiny=2_000)
    counts = (1, 2) if scale.name == "tiny" else COUNTS
    names = [_name(workers) for workers in counts]
    return Scenario(
        name="workers",
        title=f"{items:,} integers drained by 1 to {counts[-1]} processes",
        unit="items/s",
        better="higher",
        method="As `bulk`, with persistq only: what contention among many workers costs.",
        payload="an int",
        contenders=[
            Contender(
                name=_name(workers),
                play="rivals.ours:drain",
                options={"items": items, "workers": workers},
                durable=ours.DURABLE,
                ours=True,
            )
            for workers in counts
        ],
        claims=[
            Claim(
                label=f"{counts[-1]} workers / the best number of workers",
                ours=names[-1],
                rivals=tuple(names),
                target=targets.MANY_WORKERS,
            )
        ],
    )


def _name(workers: int) -> str:
    return f"persistq, {workers} worker{'s' if workers > 1 else ''}"
