"""Against the same rows written by one process, with nothing around them."""

from __future__ import annotations

from contest import Claim, Contender, Scale, Scenario
from rivals import bare_sqlite, ours

WORKERS = 4
FLOORS = {"bare executemany": 1, "bare executemany, 100 rows each": 100}


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items = scale.of(400_000, tiny=2_000)
    return Scenario(
        name="floor",
        title=f"{items:,} integers through persistq, and their rows written by one bare process",
        unit="items/s",
        better="higher",
        method=f"persistq as in `bulk`, with {WORKERS} workers. The floor inserts the same rows "
        f"into the same tables by executemany, {bare_sqlite.BATCH:,} in each transaction: no "
        "processes, no messages, no scheduling. persistq inserts a hundred rows with each "
        "execution, so the same is shown for a floor that does it, too.",
        payload="an int",
        contenders=[
            _persistq(items),
            *(
                Contender(
                    name=name,
                    play="rivals.bare_sqlite:write",
                    options={"items": items, "width": width},
                    durable=bare_sqlite.DURABLE,
                )
                for name, width in FLOORS.items()
            ),
        ],
        claims=[
            Claim(
                label=f"persistq / {name}",
                ours="persistq",
                rivals=(name,),
                at_least=0.5 if width == 1 else None,
            )
            for name, width in FLOORS.items()
        ],
    )


def _persistq(items: int) -> Contender:
    return Contender(
        name="persistq",
        play="rivals.ours:drain",
        options={"items": items, "workers": WORKERS},
        durable=ours.DURABLE,
        ours=True,
    )
