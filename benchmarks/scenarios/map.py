"""persistq.map against what it takes the place of, with items that cost nothing."""

from __future__ import annotations

import targets
from contest import Claim, Contender, Scale, Scenario
from rivals import joblibs, maps, pools

WORKERS = 2
POOL = "Pool.imap_unordered, chunks of 1"


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items = scale.of(200_000, tiny=500)
    options = {"items": items, "workers": WORKERS}
    return Scenario(
        name="map",
        title=f"{items:,} calls of a function that does nothing, {WORKERS} workers",
        unit="items/s",
        better="higher",
        method="One call each, as a script has it: counted is from the call to the last result, "
        "with the start of processes. persistq.map keeps items and results, the others nothing.",
        payload="an int",
        contenders=[
            Contender(
                name="persistq.map",
                play="rivals.maps:tiny",
                options=options,
                durable=maps.DURABLE,
                ours=True,
            ),
            Contender(name=POOL, play="rivals.maps:pool", options=options, durable=pools.DURABLE),
            Contender(
                name="joblib",
                play="rivals.joblibs:tiny",
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
                target=targets.MAP if rival == POOL else None,
            )
            for rival in (POOL, "joblib")
        ],
    )
