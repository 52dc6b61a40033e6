"""Counting what is outstanding among millions of items, whatever their state."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import targets
from contest import Claim, Contender, Outcome, Scale, Scenario
from preparing import JOURNAL, NAME, State

COMMAND = Path(sys.executable).with_name("persistq")


def count(outstanding: int) -> Outcome:
    """Run the command on the prepared journal."""
    asked = [str(COMMAND), "outstanding", "--count", "--journal", str(JOURNAL.parent), NAME]
    began = time.perf_counter()
    ended = subprocess.run(asked, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    if ended.stdout.split() != [str(outstanding)]:
        raise RuntimeError(f"not {outstanding} but {ended.stdout.strip()!r}: {ended.stderr}")
    return Outcome(took)


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    items = scale.of(10_000_000, tiny=5_000)
    states = {
        "none done": State(items, 0),
        "half done": State(items, items // 2),
        "1 in 100 outstanding": State(items, items, 100),
        "all done": State(items, items),
    }
    # With fewer items a fast answer says little.
    target = targets.COUNT_S if scale.name in {"normal", "full"} else None
    return Scenario(
        name="count",
        title=f"`persistq outstanding --count` on {items:,} items",
        unit="s",
        better="lower",
        method="The whole command, from the shell to its end, on a journal as a crash leaves it, "
        "with nobody working on it.",
        payload="an int",
        contenders=[_persistq(name, state) for name, state in states.items()],
        claims=[
            Claim(label=f"seconds to count {items:,} items, {name}", ours=name, target=target)
            for name in states
        ],
        timeout=1800,
        long=True,
    )


def _persistq(name: str, state: State) -> Contender:
    return Contender(
        name=name,
        play="scenarios.count:count",
        options={"outstanding": state.outstanding},
        durable="-",
        ours=True,
        prepared=("preparing:prepare", state._asdict()),
    )
