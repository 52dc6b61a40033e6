"""The soak: kill a load again and again, carry it on until it is settled, check every promise.

``python -m tests.crash.soak --minutes 30 --seed 7`` runs for as long as wanted and prints totals.
Every decision comes from the seed; the moments of the kills come from the load's progress.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import persistq

from .checker import EMPTY, Limits, Verdict, judge, load_states
from .evidence import EFFECTS, Follower, read_evidence
from .nemesis import COOKIE, ROLES, Nemesis, living

HERE = Path(__file__).parent
WORKERS = 4
SHORT_S = 0.00005
LONG_S = 0.001
WINDOW_MAX = 512
SETTLE_S = 45.0
"""Bounds one run of the script; the load takes a few seconds."""
LINES_PER_ITEM = {"pipeline": 4, "queue": 2}
JOURNAL = Path(".persistq", "soak.db")
STAGES = {"pipeline": "ab", "queue": ""}
ENDS_SCRIPT = {"script", "broker", "everything"}
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
        early: Whether each fault may come during the start of a run, rather than in its middle.
    """

    api: str
    seed: int
    items: int
    start_method: str
    ack_interval: float
    window_time: float
    faults: tuple[str, ...]
    early: tuple[bool, ...]

    @classmethod
    def of(cls, api: str, seed: int, items: int) -> Plan:
        """Return the plan of a seed."""
        dice = random.Random(f"{api} {seed}")
        count = dice.randint(6, 10)
        return cls(
            api,
            seed,
            items,
            dice.choice(["fork", "spawn", "forkserver"]),
            dice.choice([0.0, 0.001]),
            dice.choice([0.0, 0.004]),
            tuple(dice.choice(ROLES[api]) for _ in range(count)),
            tuple(dice.random() < 0.5 for _ in range(count)),
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


@dataclass(slots=True)
class Report:
    """How a round went."""

    plan: Plan
    verdict: Verdict
    faults: list[str] = field(default_factory=list)
    runs: int = 0
    worst_start: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        plan, verdict = self.plan, self.verdict
        hit = ",".join(f"{role}:{n}" for role, n in sorted(Counter(self.faults).items()))
        return (
            f"seed={plan.seed} api={plan.api} items={plan.items} method={plan.start_method} "
            f"ack={plan.ack_interval:g} window={plan.window_time:g} runs={self.runs} "
            f"kills=[{hit}] duplicates={verdict.duplicates}/{verdict.bound} "
            f"worst_start={self.worst_start:.2f}s {versions()} "
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
            self._see_nothing_left()
            verdict = self._judge()
        finally:
            self._kill_all()
            self._errors.close()
        report = Report(self._plan, verdict, self._nemesis.faults, self._runs, self._worst_start)
        report.problems = self._problems + verdict.problems
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
        for role, early in zip(self._plan.faults, self._plan.early, strict=True):
            if self._script is None or not self._alive():
                if self._settled():
                    return
                self._start()
            if not self._reach(early=early and self._runs > 1):
                if self._ended() == 0:
                    return
                continue
            assert self._script is not None
            if self._nemesis.strike(role, self._script.pid) and role in ENDS_SCRIPT:
                self._expect(role)

    def _reach(self, *, early: bool) -> bool:
        """Wait for the moment of the next fault; False if the script ended before."""
        if early:
            return self._nemesis.await_broker(self._alive)
        total = self._plan.items * LINES_PER_ITEM[self._plan.api]
        step = int(total * self._dice.uniform(0.001, 0.17))
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

    def _see_nothing_left(self) -> None:
        deadline = time.monotonic() + 15
        while (left := living(self._cookie)) and time.monotonic() < deadline:
            time.sleep(0.01)
        if left:
            self._problems.append(f"processes were left behind: {left}")

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


def play(api: str, seed: int, items: int, home: Path) -> Report:
    """Play one round in an empty directory and print its line."""
    home.mkdir(parents=True, exist_ok=True)
    shared = set(Path("/dev/shm").glob("*persistq*"))
    report = Round(Plan.of(api, seed, items), home).play()
    if left := set(Path("/dev/shm").glob("*persistq*")) - shared:
        report.problems.append(f"shared memory was left behind: {left}")
    print(report, flush=True)
    return report


def main() -> int:
    """Run rounds until the time is over; return 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--items", type=int, default=20_000)
    options = parser.parse_args()
    print(f"seed={options.seed} minutes={options.minutes:g} {versions()}", flush=True)
    end = time.monotonic() + options.minutes * 60
    reports: list[Report] = []
    while time.monotonic() < end:
        home = Path(tempfile.mkdtemp(prefix="soak-"))
        api = ("pipeline", "queue")[len(reports) % 2]
        reports.append(play(api, options.seed + len(reports), options.items, home))
        if reports[-1].problems:
            print(f"kept: {home}", flush=True)
        else:
            shutil.rmtree(home)
    print(totals(reports))
    return any(report.problems for report in reports)


def totals(reports: list[Report]) -> str:
    """Return the sums of all rounds in one line."""
    kills = Counter(role for report in reports for role in report.faults)
    sums = {name: sum(len(getattr(r.verdict, name)) for r in reports) for name in EMPTY}
    return (
        f"rounds={len(reports)} failed={sum(bool(r.problems) for r in reports)} "
        f"runs={sum(r.runs for r in reports)} kills={dict(sorted(kills.items()))} "
        + " ".join(f"{name}={n}" for name, n in sums.items())
        + f" duplicates={sum(r.verdict.duplicates for r in reports)}"
        f" bound={sum(r.verdict.bound for r in reports)}"
        f" worst_start={max(r.worst_start for r in reports):.2f}s"
    )


if __name__ == "__main__":
    sys.exit(main())
