"""Against the pools of the standard library, with items that cost nothing."""

from __future__ import annotations

import targets
from contest import Claim, Contender, Scale, Scenario
from rivals import ours, pools

WORKERS = 2
CHUNKS = "Pool.imap_unordered, chunks of 64"


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items = scale.of(100_000, tiny=1_000)
    few = scale.of(20_000, tiny=500)
    contenders = [
        Contender(
            name="persistq",
            play="rivals.ours:drain",
            options={"items": items, "workers": WORKERS},
            durable=ours.DURABLE,
            ours=True,
        ),
        _pool(CHUNKS, "imap", items, 64),
        _pool("Pool.imap_unordered, chunks of 1", "imap", items, 1),
        _pool("ProcessPoolExecutor, chunks of 64", "executor", items, 64),
        _pool("ProcessPoolExecutor, chunks of 1", "executor", few, 1),
    ]
    return Scenario(
        name="pools",
        title=f"Integers through persistq and the standard library's pools, {WORKERS} workers",
        unit="items/s",
        better="higher",
        method=f"{items:,} items ({few:,} for ProcessPoolExecutor with chunks of 1). The pools are "
        "started before; from the first item until the last result is back. A pool hands results "
        "back, which persistq does not; it writes both logs instead. With chunks, a pool that "
        "loses a worker loses or repeats whole chunks.",
        payload="an int",
        contenders=contenders,
        claims=[
            Claim(
                label=f"persistq / {rival.name}",
                ours="persistq",
                rivals=(rival.name,),
                target=targets.POOL_CHUNKS_OF_64 if rival.name == CHUNKS else None,
            )
            for rival in contenders[1:]
        ],
    )


def _pool(name: str, function: str, items: int, chunksize: int) -> Contender:
    return Contender(
        name=name,
        play=f"rivals.pools:{function}",
        options={"items": items, "workers": WORKERS, "chunksize": chunksize},
        durable=pools.DURABLE,
    )
