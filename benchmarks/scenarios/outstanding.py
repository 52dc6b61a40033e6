"""Millions of outstanding items: throughput and the broker's memory must not depend on them."""

from __future__ import annotations

import time
from pathlib import Path

import targets
from broker_memory import Sampler
from contest import Claim, Contender, Outcome, Scale, Scenario
from crew import Crew
from places import Delivery, count_marks, make_marks, open_marks
from rivals import ours

from persistq import PersistentQueue

WORKERS = 2
ENOUGH = 10_000_000


def drain_some(backlog: int, items: int) -> Outcome:
    """Put a backlog, then put and drain as many items more; the backlog stays as large as it is."""
    make_marks(backlog + items)
    queue: PersistentQueue[int] = PersistentQueue("bench")
    with Sampler(Path(queue.journal)) as memory:
        queue.put_many(range(backlog))
        queue.flush()
        memory.mark()
        crew = Crew(WORKERS, _take, queue, items // WORKERS)
        crew.begin()
        queue.put_many(range(backlog, backlog + items))
        took = crew.join().seconds
    # This load is given up: the items that are left shall not be reported as work to carry on.
    queue.fail("the benchmark is over")
    delivery = count_marks()
    return Outcome(
        items / took,
        Delivery(items, delivery.delivered, delivery.distinct),
        memory.figures(),
    )


def _take(queue: PersistentQueue[int], quota: int) -> float:
    marks = open_marks()
    for _ in range(quota):
        marks[queue.get()] += 1
        queue.task_done()
    queue.flush()
    ended = time.monotonic()
    queue.dispose()
    return ended


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items = scale.of(400_000, tiny=1_000)
    few = scale.of(100_000, tiny=1_000)
    many = scale.of(1_000_000, tiny=5_000, full=10_000_000)
    names = {backlog: f"persistq, {backlog:,} outstanding" for backlog in (few, many)}
    return Scenario(
        name="outstanding",
        title=f"Throughput with {many:,} and with {few:,} items outstanding",
        unit="items/s",
        better="higher",
        method=f"The backlog is put first. Then {items:,} items more are put while {WORKERS} "
        "workers take as many, so that the backlog stays as large as it is. The broker's memory is "
        "looked at four times a second from the first put to the last item; its growth compares "
        "the time when the backlog is complete with the time when it is half there.",
        payload="an int",
        contenders=[
            Contender(
                name=name,
                play="scenarios.outstanding:drain_some",
                options={"backlog": backlog, "items": items},
                durable=ours.DURABLE,
                ours=True,
            )
            for backlog, name in names.items()
        ],
        claims=_claims(names, few, many),
        timeout=1800,
        long=True,
    )


def _claims(names: dict[int, str], few: int, many: int) -> list[Claim]:
    return [
        Claim(
            label=f"throughput, {many:,} outstanding / {few:,}",
            ours=names[many],
            rivals=(names[few],),
            target=targets.BACKLOG_RATE,
        ),
        Claim(
            label=f"broker's memory at most, {many:,} outstanding, MB",
            ours=names[many],
            figure="memory_mb",
            target=targets.BROKER_MB,
        ),
        Claim(
            label=f"broker's memory, {many:,} outstanding / half of them",
            ours=names[many],
            figure="memory_growth",
            # With fewer, half of them do not fill the window that the broker keeps in memory.
            target=targets.BACKLOG_MEMORY if many >= ENOUGH else None,
        ),
    ]
