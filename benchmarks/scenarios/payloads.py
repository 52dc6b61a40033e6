"""Large items: what persistq costs when bytes are what counts."""

from __future__ import annotations

import targets
from contest import Claim, Contender, Scale, Scenario
from rivals import joinable, ours

WORKERS = 2
SIZE = 1_000_000
WAYS = {"persistq, put": False, "persistq, put_many": True}


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items = scale.of(300, tiny=5)
    options = {"items": items, "workers": WORKERS, "size": SIZE}
    return Scenario(
        name="payloads",
        title=f"{items} byte strings of 1 MB, put to done, {WORKERS} workers",
        unit="MB/s",
        better="higher",
        method="As `bulk`, persistq with `put`, as its rival, and with `put_many`. "
        "persistq writes each byte to disk, twice where the log is folded back.",
        payload="1 MB of random bytes",
        contenders=[
            *(
                Contender(
                    name=name,
                    play="rivals.ours:carry_blobs",
                    options=options | {"many": many},
                    durable=ours.DURABLE,
                    ours=True,
                )
                for name, many in WAYS.items()
            ),
            Contender(
                name="JoinableQueue",
                play="rivals.joinable:carry_blobs",
                options=options,
                durable=joinable.DURABLE,
            ),
        ],
        claims=[
            Claim(
                label=f"{name} / JoinableQueue",
                ours=name,
                rivals=("JoinableQueue",),
                target=targets.PAYLOADS,
            )
            for name in WAYS
        ],
    )
