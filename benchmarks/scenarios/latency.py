"""How soon a worker that waits gets an item."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import targets
from contest import Claim, Contender, Outcome, Scale, Scenario
from crew import Crew
from places import Stamps
from rivals import ours

from persistq import PersistentQueue, Pipeline

WORKERS = 2
PAUSE_S = 0.005

QUEUE, PIPELINE, DISK = "persistq, put to get", "persistq, pipeline", "append and fdatasync"

pipeline = Pipeline("bench", workers=WORKERS)


@pipeline.source
def numbers(items: int) -> Iterator[int]:
    """Yield an integer now and then."""
    notes = Stamps()
    for item in range(items):
        notes.write(item, time.monotonic(), 0.0)
        yield item
        _await(notes, item)


@pipeline.context
def stamps() -> Stamps:
    """Open the notes of this process."""
    return Stamps()


@pipeline.stage
def note(item: int, ctx: Stamps) -> None:
    """Note when the item arrived."""
    arrived = time.monotonic()
    ctx.write(item, ctx.of(item)[0], arrived)


def through_a_pipeline(items: int) -> Outcome:
    """From the source's yield to the handler's start."""
    notes = Stamps(items)
    pipeline.run(params={"items": items}, progress="none")
    return _delays(notes)


def through_a_queue(items: int) -> Outcome:
    """From before ``put`` to after ``get``."""
    notes = Stamps(items)
    queue: PersistentQueue[int] = PersistentQueue("bench")
    crew = Crew(WORKERS, _take, queue)
    crew.begin()
    for item in range(items):
        notes.write(item, time.monotonic(), 0.0)
        queue.put(item)
        _await(notes, item)
    queue.close()
    crew.join()
    return _delays(notes)


def append(items: int) -> Outcome:
    """Append the same bytes to a file, and wait for the disk, in the same rhythm."""
    notes = Stamps(items)
    sync = getattr(os, "fdatasync", os.fsync)
    with Path("appended").open("wb", buffering=0) as file:
        for item in range(items):
            began = time.monotonic()
            file.write(b"%d" % item)
            sync(file.fileno())
            notes.write(item, began, time.monotonic())
            time.sleep(PAUSE_S)
    return _delays(notes)


def _take(queue: PersistentQueue[int]) -> None:
    notes = Stamps()
    for item in queue:
        arrived = time.monotonic()
        notes.write(item, notes.of(item)[0], arrived)
        queue.task_done()


def _await(notes: Stamps, item: int) -> None:
    while not notes.of(item)[1]:
        time.sleep(PAUSE_S)
    # What the item's record does to the disk and the processors is over by then.
    time.sleep(PAUSE_S)


def _delays(notes: Stamps) -> Outcome:
    # The first ones find cold caches and connections that are just being made.
    delays = [1e3 * (second - first) for first, second in notes.read()][5:]
    return Outcome(median(delays), details={"p99": quantiles(delays, n=100)[98]})


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items = scale.of(400, tiny=20)
    plays = {QUEUE: "through_a_queue", PIPELINE: "through_a_pipeline", DISK: "append"}
    return Scenario(
        name="latency",
        title="One item on its way to an idle worker, median",
        unit="ms",
        better="lower",
        method=f"{items} items, one at a time with pauses, {WORKERS} workers waiting. On its way "
        "an item is committed and synced, so the yardstick is one append and fdatasync of the same "
        "bytes to a file on the same disk.",
        payload="an int",
        contenders=[
            Contender(
                name=name,
                play=f"scenarios.latency:{function}",
                options={"items": items},
                durable=ours.DURABLE if name != DISK else "the file is synced",
                ours=name != DISK,
            )
            for name, function in plays.items()
        ],
        claims=[
            Claim(label=f"{name} / {DISK}", ours=name, rivals=(DISK,), target=targets.LATENCY)
            for name in (QUEUE, PIPELINE)
        ],
    )
