"""The soak: kill a load again and again, carry it on until it is settled, check every promise.

``python -m tests.crash.soak --minutes 30 --seed 7`` runs for as long as wanted and prints totals.
Every decision comes from the seed; the moments of the kills come from the load's progress, or from
that of a start.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count, repeat
from pathlib import Path
from typing import IO

import persistq

from .checker import EMPTY, Limits, Verdict, judge, load_states
from .evidence import EFFECTS, Follower, read_evidence
from .leftovers import KINDS, Leftovers
from .nemesis import COOKIE, ENDS_SCRIPT, ROLES, START, Nemesis, living

HERE = Path(__file__).parent
WORKERS = 4
SHORT_S = 0.00005
LONG_S = 0.001
WINDOW_MAX = 1024
SETTLE_S = 45.0
"""Bounds one run of the script; the load takes a few seconds."""
LINES_PER_ITEM = {"pipeline": 4, "queue": 2}
JOURNAL = Path(".persistq", "soak.db")
STAGES = {"pipeline": "ab", "queue": ""}
# With the others every process imports everything anew, which is time without kills.
METHODS = ("fork", "fork", "fork", "forkserver", "spawn")
STEP_MAX = 0.03
"""The largest part of a load that passes between two faults."""
EARLY = 0.4
"""How often a start is hit before any work is done."""
# A kill of the queue's script is seen by its consumers, which have an end of their own to say.
TRUE_CODES = {"script": {-9}, "everything": {-9}, "broker": {3}}


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything about a round that its seed decides.

    Attributes:
        api: ``pipeline`` or ``queue``.
        seed: The seed.
        items: Items that are put.
        start_method: How processes are started.
        ack_interval: Setting, in seconds.
        window_time: Setting, in seconds.
        faults: The roles to be hit, in order.
        moments: When each is hit: a moment of the start of a run, or empty for its middle.
    """

    api: str
    seed: int
    items: int
    start_method: str
    ack_interval: float
    window_time: float
    faults: tuple[str, ...]
    moments: tuple[str, ...]

    @classmethod
    def of(cls, api: str, seed: int, items: int, faults: int) -> Plan:
        """Return the plan of a seed, with at most so many faults."""
        dice = random.Random(f"{api} {seed}")
        hits = _hits(dice, api, dice.randint(faults // 2, faults))
        return cls(
            api,
            seed,
            items,
            dice.choice(METHODS),
            dice.choice([0.0, 0.001]),
            dice.choice([0.0, 0.004]),
            tuple(role for role, _ in hits),
            tuple(moment for _, moment in hits),
        )

    @property
    def limits(self) -> Limits:
        """What each fault may cost."""
        return Limits(WORKERS, SHORT_S, self.ack_interval, self.window_time, WINDOW_MAX)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of the script."""
        return {
            "PERSISTQ_START_METHOD": self.start_method,
            "PERSISTQ_ACK_INTERVAL": str(self.ack_interval),
            "PERSISTQ_WINDOW_TIME": str(self.window_time),
            "PERSISTQ_WINDOW_MAX": str(WINDOW_MAX),
            # Chance may hit the worker of one item often; poison is another test's subject.
            "PERSISTQ_MAX_CRASHES": "1000",
            "PERSISTQ_PROGRESS": "none",
            "PERSISTQ_JOURNAL": ".persistq",
            "SOAK_ITEMS": str(self.items),
            "SOAK_SHORT_S": str(SHORT_S),
            "SOAK_LONG_S": str(LONG_S),
        }


def _hits(dice: random.Random, api: str, most: int) -> list[tuple[str, str]]:
    """Return whom to hit and when."""
    hits: list[tuple[str, str]] = []
    starting = True
    for _ in range(most):
        early = starting and dice.random() < EARLY
        role = dice.choice(ENDS_SCRIPT if early else ROLES[api])
        hits.append((role, dice.choice(START) if early else ""))
        starting = role in ENDS_SCRIPT
    return hits


@dataclass(slots=True)
class Report:
    """How a round went."""

    plan: Plan
    verdict: Verdict
    left: dict[str, list[str]]
    faults: list[str] = field(default_factory=list)
    runs: int = 0
    worst_start: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        plan, verdict = self.plan, self.verdict
        hit = ",".join(f"{role}:{n}" for role, n in sorted(Counter(self.faults).items()))
        left = " ".join(f"left_{kind}={len(names)}" for kind, names in self.left.items())
        return (
            f"seed={plan.seed} api={plan.api} items={plan.items} method={plan.start_method} "
            f"ack={plan.ack_interval:g} window={plan.window_time:g} runs={self.runs} "
            f"hit=[{hit}] duplicates={verdict.duplicates}/{verdict.bound} "
            f"{left} worst_start={self.worst_start:.2f}s {versions()} "
            f"{'OK' if not self.problems else 'FAILED: ' + '; '.join(self.problems)}"
        )


class Round:
    """One load from its first start until it is settled, with faults on the way.

    Args:
        plan: What to do.
        home: An empty directory for scripts, journal and evidence.
    """

    def __init__(self, plan: Plan, home: Path) -> None:
        self._plan = plan
        self._home = home
        self._dice = random.Random(f"moments {plan.seed}")
        self._cookie = secrets.token_hex(8)
        self._follower = Follower(home / EFFECTS)
        self._nemesis = Nemesis(home, self._cookie, self._follower, self._dice)
        self._leftovers = Leftovers(home, self._cookie)
        self._errors: IO[str] = (home / "stderr").open("w")
        self._script: subprocess.Popen[str] | None = None
        self._began = 0.0
        self._problems: list[str] = []
        self._runs = 0
        self._worst_start = 0.0

    def play(self) -> Report:
        """Run, damage, carry on, and check."""
        try:
            self._damage()
            code = self._finish()
            if code:
                self._problems.append(f"the undisturbed run ended with exit code {code}")
            left = self._leftovers.found()
            verdict = self._judge()
        finally:
            self._kill_all()
            self._errors.close()
        faults = self._nemesis.faults
        report = Report(self._plan, verdict, left, faults, self._runs, self._worst_start)
        found = [f"{kind} were left behind: {names}" for kind, names in left.items() if names]
        report.problems = self._problems + verdict.problems + found
        return report

    # --- the run ---

    def _start(self) -> None:
        self._runs += 1
        script = HERE / f"script_{self._plan.api}.py"
        self._script = subprocess.Popen(
            [sys.executable, str(script)],
            cwd=self._home,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("PERSISTQ_")},
                **self._plan.environment,
                COOKIE: self._cookie,
                "XDG_STATE_HOME": str(self._home / "state"),
            },
            stdout=self._errors,
            stderr=self._errors,
            text=True,
        )
        self._began, self._lines_then = time.monotonic(), self._follower.catch_up()

    def _alive(self) -> bool:
        assert self._script is not None, "nothing was started"
        if self._follower.catch_up() > self._lines_then + 1 and self._began:
            self._worst_start = max(self._worst_start, time.monotonic() - self._began)
            self._began = 0.0
        return self._script.poll() is None

    def _damage(self) -> None:
        for role, moment in zip(self._plan.faults, self._plan.moments, strict=True):
            fresh = self._script is None or not self._alive()
            if self._script is None or not self._alive():
                if self._settled():
                    return
                self._start()
            if not self._reach(moment if fresh else ""):
                if self._ended() == 0:
                    return
                continue
            assert self._script is not None
            self._leftovers.watch()
            if self._nemesis.strike(role, self._script.pid) and role in ENDS_SCRIPT:
                self._expect(role)

    def _reach(self, moment: str) -> bool:
        """Wait for the moment of the next fault; False if the script ended before."""
        if moment:
            return self._nemesis.await_start(moment, self._alive)
        total = self._plan.items * LINES_PER_ITEM[self._plan.api]
        step = int(total * self._dice.uniform(0.0005, STEP_MAX))
        return self._nemesis.await_progress(self._follower.catch_up() + step, self._alive)

    def _ended(self) -> int:
        """Wait for the end of the script and return its exit code."""
        assert self._script is not None, "nothing was started"
        deadline = time.monotonic() + SETTLE_S
        while self._alive():
            if time.monotonic() > deadline:
                self._problems.append(f"the script did not end within {SETTLE_S:g} s")
                self._kill_all()
            time.sleep(0.005)
        return self._script.returncode

    def _expect(self, role: str) -> None:
        code = self._ended()
        # What was hit a moment before its end may have ended well.
        if code not in TRUE_CODES[role] | {0}:
            self._problems.append(f"after the death of {role} the script ended with {code}")

    def _finish(self) -> int:
        """The last run, which nobody disturbs."""
        if self._script is not None and (self._ended() == 0 or self._settled()):
            return 0
        self._start()
        return self._ended()

    def _settled(self) -> bool:
        """Return whether a kill came too late to leave work; one more start would begin a load."""
        # Looking into a journal that was just killed is left out while it cannot be settled.
        if self._follower.catch_up() < self._plan.items * LINES_PER_ITEM[self._plan.api]:
            return False
        return load_states(self._home / JOURNAL) == ["settled"]

    # --- the check ---

    def _judge(self) -> Verdict:
        evidence = read_evidence(self._home)
        if self._plan.api == "pipeline":
            # All that the source yields is acknowledged once it is sealed, and both stages see it.
            keys = {f"{stage}{n}" for stage in "ab" for n in range(self._plan.items)}
            evidence.put = evidence.acknowledged = keys
        stages, faults = STAGES[self._plan.api], self._nemesis.faults
        return judge(evidence, self._home / JOURNAL, stages, faults, self._plan.limits)

    def _kill_all(self) -> None:
        for pid in living(self._cookie):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self._script is not None:
            self._script.wait()


def versions() -> str:
    """Return what a result depends on beside the seed."""
    return (
        f"persistq={persistq.__version__} python={platform.python_version()} "
        f"sqlite={sqlite3.sqlite_version} kernel={platform.release()}"
    )


def play(api: str, seed: int, items: int, faults: int, home: Path) -> Report:
    """Play one round in an empty directory and print its line."""
    home.mkdir(parents=True, exist_ok=True)
    report = Round(Plan.of(api, seed, items, faults), home).play()
    print(report, flush=True)
    return report


def main() -> int:
    """Run rounds until the time is over; return 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--faults", type=int, default=60)
    parser.add_argument("--at-once", type=int, default=2, help="loads that run side by side")
    options = parser.parse_args()
    print(f"seed={options.seed} minutes={options.minutes:g} {versions()}", flush=True)
    began = time.monotonic()
    with ProcessPoolExecutor(options.at_once) as pool:
        rows = pool.map(play_row, range(options.at_once), repeat(options), repeat(began))
        reports = [report for row in rows for report in row]
    print(totals(reports, time.monotonic() - began))
    return any(report.problems for report in reports)


def play_row(first: int, options: argparse.Namespace, began: float) -> list[Report]:
    """Play one round after the other until the time is over."""
    reports: list[Report] = []
    for number in count(first, options.at_once):
        if time.monotonic() - began >= options.minutes * 60:
            break
        home = Path(tempfile.mkdtemp(prefix="soak-"))
        api = ("pipeline", "queue")[(number + len(reports)) % 2]
        reports.append(play(api, options.seed + number, options.items, options.faults, home))
        if reports[-1].problems:
            print(f"kept: {home}", flush=True)
        else:
            shutil.rmtree(home)
    return reports


def totals(reports: list[Report], seconds: float) -> str:
    """Return the sums of all rounds in one line; a stroke that hit several at once is one kill."""
    kills = Counter(role for report in reports for role in report.faults)
    pauses = kills.pop("pause", 0)
    rate = kills.total() / seconds * 60
    left = {kind: sum(len(r.left[kind]) for r in reports) for kind in KINDS}
    sums = {name: sum(len(getattr(r.verdict, name)) for r in reports) for name in EMPTY}
    return (
        f"rounds={len(reports)} failed={sum(bool(r.problems) for r in reports)} "
        f"runs={sum(r.runs for r in reports)} kills={kills.total()} ({rate:.0f} a minute) "
        f"by_role={dict(sorted(kills.items()))} pauses={pauses} "
        + " ".join(f"{name}={n}" for name, n in sums.items())
        + f" duplicates={sum(r.verdict.duplicates for r in reports)}"
        f" bound={sum(r.verdict.bound for r in reports)}"
        f" left_behind={left} worst_start={max(r.worst_start for r in reports):.2f}s"
    )


if __name__ == "__main__":
    sys.exit(main())
