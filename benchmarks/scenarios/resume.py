"""Carrying on a load of which millions are done."""

from __future__ import annotations

import time
from pathlib import Path

import targets
from broker_memory import memory_of_broker
from contest import Claim, Contender, Outcome, Preparation, Scale, Scenario
from preparing import NAME, State
from rivals import ours

from persistq import PersistentQueue

PERSISTQ, NEW, BARE = "persistq", "persistq, a new name", "bare SQL difference"


def carry_on(done: int) -> Outcome:
    """From before the name is opened until the first outstanding item is there."""
    began = time.perf_counter()
    queue: PersistentQueue[int] = PersistentQueue(NAME)
    got = queue.get()
    took = time.perf_counter() - began
    if got != done:
        raise RuntimeError(f"the first item is {got}, not {done}")
    memory = memory_of_broker(Path(queue.journal))
    queue.dispose()
    return Outcome(took, details={"memory_mb": memory})


def begin() -> Outcome:
    """From before a new name is opened until its first item is there."""
    began = time.perf_counter()
    queue: PersistentQueue[int] = PersistentQueue(NAME)
    queue.put(0)
    queue.get()
    took = time.perf_counter() - began
    memory = memory_of_broker(Path(queue.journal))
    queue.task_done()
    return Outcome(took, details={"memory_mb": memory})


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    done = scale.of(10_000_000, tiny=5_000)
    outstanding = scale.of(100_000, tiny=1_000)
    state = State(done + outstanding, done)
    return Scenario(
        name="resume",
        title=f"Carrying on a load with {done:,} items done and {outstanding:,} outstanding",
        unit="s",
        better="lower",
        method="From opening the name to the first item in hand, including the start of the "
        "broker's process. The outstanding items are the last ones, so that everything done is "
        "passed over before the first is found. The yardstick has a row for each item and each "
        "done mark, subtracts them in SQL, in a process that runs already, and fetches all ids.",
        payload="an int",
        contenders=[
            _ours(PERSISTQ, "carry_on", {"done": done}, ("preparing:prepare", state._asdict())),
            _ours(NEW, "begin", {}, None),
            Contender(
                name=BARE,
                play="rivals.bare_sqlite:difference",
                options={"outstanding": outstanding},
                durable="-",
                prepared=("rivals.bare_sqlite:prepare", {"done": done, "put": state.put}),
            ),
        ],
        claims=_claims(judged=scale.name in {"normal", "full"}),
        timeout=1800,
        long=True,
    )


def _ours(
    name: str, function: str, options: dict[str, int], prepared: Preparation | None
) -> Contender:
    return Contender(
        name=name,
        play=f"scenarios.resume:{function}",
        options=options,
        durable=ours.DURABLE,
        ours=True,
        prepared=prepared,
    )


def _claims(*, judged: bool) -> list[Claim]:
    # With few items the start of a process is most of the time, and the ratio says nothing.
    return [
        Claim(
            label=f"{PERSISTQ} / {BARE}",
            ours=PERSISTQ,
            rivals=(BARE,),
            target=targets.RESUME if judged else None,
        ),
        Claim(label=f"{PERSISTQ} / {NEW}", ours=PERSISTQ, rivals=(NEW,)),
        Claim(
            label="broker's memory at most, MB",
            ours=PERSISTQ,
            figure="memory_mb",
            target=targets.BROKER_MB,
        ),
    ]
