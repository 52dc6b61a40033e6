"""The show: start the load of flights, kill it part-way, carry on, and prove that nothing is amiss.

Everything happens in ``build/demo``, which is made anew. The exit code is 0 only if all
checks hold. ``demo.py postgresql`` loads into a PostgreSQL that it starts itself.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import dataset
from sqlalchemy.exc import DBAPIError
from target import warehouse_of
from warehouse import Warehouse

HERE = Path(__file__).resolve().parent
STAGE = HERE.parent.parent / "build" / "demo"
TABLE = STAGE / "data" / "flights.csv"

FLIGHTS = 336_776
MILES = 350_217_607
BY_CARRIER = {"UA": 58_665, "B6": 54_635, "EV": 54_173}

KILL_AFTER_FLIGHTS = FLIGHTS // 4
KILL_DEADLINE_S = 300.0
POLL_S = 0.02


class Checks:
    """Prints each check as it is made, and remembers whether one failed."""

    def __init__(self) -> None:
        self.failed = 0

    def that(self, claim: str, holds: bool) -> None:
        """Print one claim with ``ok`` or ``FAILED``."""
        self.failed += not holds
        print(f"  {'ok' if holds else 'FAILED':<7} {claim}", flush=True)

    def equal(self, what: str, found: object, expected: object) -> None:
        """Claim that something found is what it should be."""
        claim = f"{what}: {found:,}" if isinstance(found, int) else f"{what}: {found}"
        holds = found == expected
        self.that(claim if holds else f"{claim}, expected {expected}", holds)


def say(text: str) -> None:
    """Print a line of explanation."""
    print(f"\n# {text}", flush=True)


def environment() -> dict[str, str]:
    """Return the environment of the commands, with this interpreter's tools first."""
    # What the caller has set for other loads must not steer this one.
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PERSISTQ_")}
    tools = Path(sys.executable).parent
    return {
        **kept,
        "PATH": f"{tools}{os.pathsep}{kept.get('PATH', '')}",
        "PERSISTQ_PROGRESS": "plain",
    }


def start(*command: str) -> subprocess.Popen[bytes]:
    """Print a command and start it as the leader of its own session."""
    print(f"$ {shlex.join(command)}", flush=True)
    return subprocess.Popen(command, cwd=STAGE, env=environment(), start_new_session=True)


def run(*command: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """Print a command, run it to its end, and print what it wrote if that is captured."""
    print(f"$ {shlex.join(command)}", flush=True)
    output = subprocess.PIPE if capture else None
    done = subprocess.run(
        command, cwd=STAGE, env=environment(), stdout=output, text=True, check=False
    )
    if capture:
        print(done.stdout, end="", flush=True)
    return done


def outstanding() -> int:
    """Return what ``persistq outstanding`` counts, or -1 if it gave no number."""
    answer = run("persistq", "outstanding", "flights", "--count", capture=True).stdout.strip()
    return int(answer) if answer.isdecimal() else -1


def stored(warehouse: Warehouse) -> dict[str, int]:
    """Return the flights stored so far by day; none while there is no table."""
    try:
        return warehouse.flights_by_day()
    except DBAPIError:
        return {}


def kill_part_way(load: subprocess.Popen[bytes], warehouse: Warehouse) -> None:
    """Wait until a quarter of the flights is stored, then kill the whole group.

    If the load ends or hangs before that, it is killed where it is, and the checks will tell.
    """
    deadline = time.monotonic() + KILL_DEADLINE_S
    while load.poll() is None and time.monotonic() < deadline:
        if sum(stored(warehouse).values()) >= KILL_AFTER_FLIGHTS:
            break
        time.sleep(POLL_S)
    if load.poll() is None:
        print(f"$ kill -KILL -- -{load.pid}", flush=True)
        os.killpg(load.pid, signal.SIGKILL)
    load.wait()


def whole_days(warehouse: Warehouse) -> int:
    """Return how many days of the year have all their flights in the warehouse."""
    found = stored(warehouse)
    return sum(found.get(day["day"]) == day["flights"] for day in dataset.days(TABLE))


def crash(checks: Checks, warehouse: Warehouse) -> None:
    """Start the load, kill it, and look at what is left."""
    say("A load of a year of flights begins ...")
    load = start("python", os.path.relpath(HERE / "flights.py", STAGE))
    kill_part_way(load, warehouse)
    say("... and is killed part-way. What is left?")
    left = outstanding()
    run("persistq", "status", "flights")
    done = whole_days(warehouse)
    checks.equal("the load was ended by signal", -load.returncode, int(signal.SIGKILL))
    checks.that(f"some days, not all, were in the warehouse: {done} of 365", 0 < done < 365)
    checks.that(f"items were outstanding: {left:,}", left > 0)


def carry_on(checks: Checks, warehouse: Warehouse) -> None:
    """Carry on, and prove that every flight is there once."""
    say("Carry on with the difference.")
    checks.equal(
        "exit code of the resumed load", run("persistq", "resume", "flights").returncode, 0
    )
    say("Is everything there, exactly once?")
    checks.equal("outstanding items", outstanding(), 0)
    totals = warehouse.totals()
    checks.equal("flights", totals.flights, FLIGHTS)
    checks.equal("different flights", totals.keys, FLIGHTS)
    for carrier, count in BY_CARRIER.items():
        checks.equal(f"flights of {carrier}", totals.by_carrier.get(carrier), count)
    checks.equal("miles", totals.miles, MILES)
    checks.equal("receipts that are left", warehouse.receipts(), 0)


def main() -> int:
    """Run the show, and return the exit code."""
    shutil.rmtree(STAGE, ignore_errors=True)
    STAGE.mkdir(parents=True)
    print(f"$ cd {STAGE}", flush=True)
    dataset.extract_flights(TABLE.parent)
    checks = Checks()
    with warehouse_of(sys.argv[1] if sys.argv[1:] else "sqlite", STAGE) as url:
        os.environ["WAREHOUSE_URL"] = url
        warehouse = Warehouse(url)
        crash(checks, warehouse)
        carry_on(checks, warehouse)
        warehouse.close()
    say("All checks hold." if not checks.failed else f"{checks.failed} checks FAILED.")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
