"""What an item takes of the disk."""

from __future__ import annotations

import targets
from contest import Claim, Contender, Scale, Scenario
from rivals import ours

WORKERS = 2
INT, STRING = "persistq, integers", "persistq, strings of 30"


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items = scale.of(400_000, tiny=2_000)
    # The tables of an empty journal would be most of a small one.
    judged = scale.name != "tiny"
    return Scenario(
        name="size",
        title=f"Size of a journal of {items:,} short items, all done",
        unit="bytes an item",
        better="lower",
        method=f"Items are put in bulk while {WORKERS} workers drain. Then the size of the whole "
        "journal, with everything that it says about them, divided by the number of items.",
        payload="an int; a string of 30 digits",
        contenders=[_persistq(name, items, width) for name, width in {INT: 0, STRING: 30}.items()],
        claims=[
            Claim(
                label="journal bytes an integer",
                ours=INT,
                target=targets.BYTES_AN_INT if judged else None,
            ),
            Claim(
                label="journal bytes a string of 30",
                ours=STRING,
                target=targets.BYTES_A_STRING if judged else None,
            ),
        ],
    )


def _persistq(name: str, items: int, width: int) -> Contender:
    return Contender(
        name=name,
        play="rivals.ours:weigh",
        options={"items": items, "workers": WORKERS, "width": width},
        durable=ours.DURABLE,
        ours=True,
    )
