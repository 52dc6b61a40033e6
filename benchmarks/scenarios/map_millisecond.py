"""persistq.map with items of one millisecond: what it adds to real work."""

from __future__ import annotations

import targets
from contest import Claim, Contender, Scale, Scenario
from rivals import joblibs, maps, pools

WORKERS = 2
SECONDS = 0.001


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items = scale.of(4_000, tiny=50)
    options = {"items": items, "workers": WORKERS, "seconds": SECONDS}
    return Scenario(
        name="map_millisecond",
        title=f"{items:,} calls of 1 ms, {WORKERS} workers",
        unit="s",
        better="lower",
        method="The function spins for 1 ms and notes when it starts and ends. Counted is from the "
        "first start to the last end, so start-up is excluded on all sides. "
        f"{items * SECONDS / WORKERS:g} s is the least possible.",
        payload="an int",
        contenders=[
            Contender(
                name="persistq.map",
                play="rivals.maps:spinning",
                options=options,
                durable=maps.DURABLE,
                ours=True,
            ),
            Contender(
                name="Pool.imap_unordered",
                play="rivals.pools:imap_spinning",
                options=options,
                durable=pools.DURABLE,
            ),
            Contender(
                name="joblib",
                play="rivals.joblibs:spinning",
                options=options,
                durable=joblibs.DURABLE,
                package=joblibs.PACKAGE,
            ),
        ],
        claims=[
            Claim(
                label=f"persistq.map / {rival}",
                ours="persistq.map",
                rivals=(rival,),
                target=targets.MAP_MILLISECOND,
            )
            for rival in ("Pool.imap_unordered", "joblib")
        ],
    )
