"""How long a program waits before anything happens."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import targets
from contest import Claim, Contender, Outcome, Scale, Scenario

from persistq import PersistentQueue

JOURNALED = 100

PASS, IMPORT = "python -c pass", "import persistq"
LIBRARIES, COUNT = "import of its libraries", "persistq outstanding --count"


def run_code(code: str, starts: int) -> Outcome:
    """Run Python with a line of code."""
    return _timed([sys.executable, "-c", code], starts)


def count_outstanding(starts: int) -> Outcome:
    """Run the command on a small journal."""
    queue: PersistentQueue[int] = PersistentQueue("bench")
    queue.put_many(range(JOURNALED))
    queue.release()
    command = Path(sys.executable).with_name("persistq")
    return _timed([str(command), "outstanding", "--count", "bench"], starts, says=str(JOURNALED))


def _timed(command: list[str], starts: int, says: str = "") -> Outcome:
    return Outcome(median(_once(command, says) for _ in range(starts)))


def _once(command: list[str], says: str) -> float:
    began = time.perf_counter()
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    took = 1e3 * (time.perf_counter() - began)
    if says and says not in ended.stdout:
        raise RuntimeError(f"{command[0]} ended with exit code {ended.returncode}: {ended.stderr}")
    return took


def scenario(scale: Scale) -> Scenario:
    """State the question."""
    starts = scale.of(10, tiny=1)
    return Scenario(
        name="startup",
        title="Start-up: from the shell to the end of a program that does next to nothing",
        unit="ms",
        better="lower",
        method=f"Median of {starts} starts in each round; modules are compiled already. The "
        f"command counts the {JOURNALED} outstanding items of a small journal; its yardstick is "
        "the import of the libraries that it cannot do without.",
        payload="-",
        contenders=[
            _code(PASS, "pass", starts),
            _code(IMPORT, "import persistq", starts, ours=True),
            _code(LIBRARIES, "import click, msgspec, sqlite3", starts),
            Contender(
                name=COUNT,
                play="scenarios.startup:count_outstanding",
                options={"starts": starts},
                durable="-",
                ours=True,
            ),
        ],
        claims=[
            Claim(label=f"{IMPORT} / {PASS}", ours=IMPORT, rivals=(PASS,), target=targets.IMPORT),
            Claim(
                label=f"{COUNT} / {LIBRARIES}",
                ours=COUNT,
                rivals=(LIBRARIES,),
                target=targets.COMMAND,
            ),
        ],
    )


def _code(name: str, code: str, starts: int, *, ours: bool = False) -> Contender:
    return Contender(
        name=name,
        play="scenarios.startup:run_code",
        options={"code": code, "starts": starts},
        durable="-",
        ours=ours,
    )
