"""Against queues that keep their items, too."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import targets
from contest import Claim, Contender, Scale, Scenario
from rivals import (
    dbos_sqlite,
    lite_queue,
    local_queue,
    ours,
    persist_queue,
    simple_broker,
    turbo_queue,
)

WORKERS = 2
_SMALL = "persistq, as few as a rival"


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    one_by_one, otherwise = _one_by_one(scale), _otherwise(scale)
    return Scenario(
        name="durable",
        title=f"Integers through queues that keep their items, {WORKERS} workers",
        unit="items/s",
        better="higher",
        method="Each rival has as many items as keep it busy for a few seconds, and rates are "
        "compared; persistq has many more, and is shown with as few, too. litequeue gets slower "
        "the more items are done, so it is measured with two numbers of items, and the better "
        "one counts. The queue is filled first, in bulk where the rival can, then drained by "
        "processes that take, mark and acknowledge; the rate is items by the sum of both times. "
        "Finding out that nothing is left is not counted. What works in batches, with threads, or "
        "without acknowledgement is listed for information.",
        payload="an int; a string of digits where only strings can be put; a dict in turbo-queue",
        contenders=[
            _persistq("persistq", scale.of(400_000, tiny=2_000)),
            _persistq(_SMALL, _small(scale)),
            *one_by_one,
            *otherwise,
        ],
        claims=[
            Claim(
                label="persistq / the best durable rival that acknowledges items one by one",
                ours="persistq",
                rivals=tuple(rival.name for rival in one_by_one),
                target=targets.BEST_DURABLE,
            ),
            *(
                Claim(label=f"persistq / {rival.name}", ours="persistq", rivals=(rival.name,))
                for rival in (*one_by_one, *otherwise)
            ),
            Claim(
                label=f"{_SMALL} / litequeue, as many",
                ours=_SMALL,
                rivals=(f"litequeue, {_small(scale):,} items",),
            ),
        ],
    )


def _few(scale: Scale) -> int:
    return scale.of(1_000, tiny=30)


def _small(scale: Scale) -> int:
    return scale.of(6_000, tiny=50)


def _persistq(name: str, items: int) -> Contender:
    return Contender(
        name=name,
        play="rivals.ours:fill_then_drain",
        options={"items": items, "workers": WORKERS},
        durable=ours.DURABLE,
        ours=True,
    )


def _one_by_one(scale: Scale) -> list[Contender]:
    return [
        _rival("persist-queue", persist_queue, scale.of(3_000, tiny=50)),
        # Its pop passes over all that is done, so the number of items decides about its rate.
        *(
            _rival(f"litequeue, {items:,} items", lite_queue, items)
            for items in (_few(scale), _small(scale))
        ),
        *(
            _rival(
                f"localqueue, {durability.lower()}",
                local_queue,
                scale.of(3_000, tiny=50),
                durable=local_queue.DURABLE[durability],
                durability=durability,
            )
            for durability in ("DURABLE", "RELAXED")
        ),
        _rival("SimpleBroker", simple_broker, scale.of(2_000, tiny=50)),
        _rival("DBOS on SQLite", dbos_sqlite, scale.of(300, tiny=20)),
    ]


def _otherwise(scale: Scale) -> list[Contender]:
    threads = Contender(
        name="persist-queue, 2 threads",
        play="rivals.persist_queue:drain_by_threads",
        options={"items": scale.of(3_000, tiny=50), "threads": 2},
        durable=persist_queue.DURABLE,
        package=persist_queue.PACKAGE,
    )
    batches = Contender(
        name="SimpleBroker, batches of 100",
        play="rivals.simple_broker:drain_in_batches",
        options={"items": scale.of(5_000, tiny=200), "workers": WORKERS, "batch": 100},
        durable=simple_broker.DURABLE_BATCH,
        package=simple_broker.PACKAGE,
    )
    files = _rival("turbo-queue, files of 1,000", turbo_queue, scale.of(200_000, tiny=2_000))
    return [threads, batches, files]


def _rival(
    name: str, module: ModuleType, items: int, *, durable: str = "", **options: Any
) -> Contender:
    return Contender(
        name=name,
        play=f"{module.__name__}:drain",
        options={"items": items, "workers": WORKERS} | options,
        durable=durable or module.DURABLE,
        package=module.PACKAGE,
    )
