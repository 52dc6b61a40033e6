"""One ``put`` for each item, as scripts have it today."""

from __future__ import annotations

import targets
from contest import Claim, Contender, Scale, Scenario
from rivals import joinable, ours

PERSISTQ, JOINABLE = "persistq", "JoinableQueue"


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items = scale.of(50_000, tiny=1_000)
    return Scenario(
        name="single_put",
        title=f"{items:,} integers put one by one, nobody getting them",
        unit="puts/s",
        better="higher",
        method="The loop of puts alone, and the loop with the wait for all to be handed over: "
        "`flush` for persistq, when all are synced to disk; `close` and `join_thread` for "
        "JoinableQueue, when all are in its pipe, which is enlarged so that they fit.",
        payload="an int",
        contenders=[
            Contender(
                name=PERSISTQ,
                play="rivals.ours:put_each",
                options={"items": items},
                durable=ours.DURABLE,
                ours=True,
            ),
            Contender(
                name=JOINABLE,
                play="rivals.joinable:put_each",
                options={"items": items},
                durable=joinable.DURABLE,
            ),
        ],
        claims=[
            Claim(
                label="persistq / JoinableQueue, the loop", ours=PERSISTQ, rivals=(JOINABLE,),
                target=targets.SINGLE_PUT,
            ),
            Claim(
                label="persistq / JoinableQueue, until handed over", ours=PERSISTQ,
                rivals=(JOINABLE,), figure="handed_over_rate", target=targets.SINGLE_PUT,
            ),
        ],
    )  # fmt: skip
