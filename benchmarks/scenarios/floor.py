"""Against the same rows written by one process, with nothing around them."""

from __future__ import annotations

import targets
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
        method=f"persistq as in `bulk`, with {WORKERS} workers. The floor inserts a row "
        f"for each item and each done mark by executemany, {bare_sqlite.BATCH:,} in each "
        "transaction: no processes, no messages, no scheduling, and the same settings of SQLite. "
        "It is shown with one row and with a hundred rows in each statement.",
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
                target=targets.FLOOR if width > 1 else None,
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
