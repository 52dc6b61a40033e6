"""The pull soak: a source that is asked again and again, by a run that is hit again and again.

``python -m tests.crash.pull --minutes 10`` runs for as long as wanted, and prints what it found.
The other side is empty, slow, yields more than was wanted, and raises, in turns; jobs come all the
time. Workers are killed most often, the source, the broker and everything sometimes, and sometimes
the run is told to end.
"""

from __future__ import annotations

import argparse
import os
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

from persistq.testing import check_journal

from .nemesis import COOKIE, living

SCRIPT = Path(__file__).with_name("script_pull.py")
JOURNAL = Path(".persistq", "pull.db")
HITS = (*["worker"] * 12, *["source"] * 3, "broker", "everything", "stop", "stop")
ENDS_RUN = {"broker", "everything", "stop"}
WORKERS = 3
REPEATS_OF_A_WORKER = 20
"""Jobs of a millisecond or more that a worker may have done and not reported when it dies."""
STOP_S = 40.0
PACE_S = 0.01
JOBS_AT_A_TIME = 6
BACKLOG_MAX = 500
"""No more jobs come while so many wait: the run is hit too often to keep up."""


@dataclass(slots=True)
class Found:
    """What a soak has come to.

    Attributes:
        jobs: How many there were.
        lost: Those that were never done.
        repeated: How often a job was done again.
        bound: How often that may be.
        put_twice: Jobs that one load has put twice.
        hits: Who was hit how often.
        loads: How many loads there were.
        slowest_stop: The longest time from SIGTERM to the end of a run, in seconds.
        problems: What is wrong, in words.
    """

    jobs: int = 0
    lost: int = 0
    repeated: int = 0
    bound: int = 0
    put_twice: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    loads: int = 0
    slowest_stop: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"jobs={self.jobs:,} lost={self.lost} repeated={self.repeated}/{self.bound} "
            f"put_twice={self.put_twice} loads={self.loads} hits={dict(sorted(self.hits.items()))} "
            f"slowest_stop={self.slowest_stop:.2f}s "
            f"{'FAILED: ' + '; '.join(self.problems) if self.problems else 'OK'}"
        )


class Soak:
    """One soak.

    Args:
        home: An empty directory.
        dice: Decides who is hit, and when.
    """

    def __init__(self, home: Path, dice: random.Random) -> None:
        self.found = Found()
        self._home = home
        self._dice = dice
        self._cookie = secrets.token_hex(8)
        self._jobs = sqlite3.connect(home / "jobs.db", timeout=30, isolation_level=None)
        self._jobs.execute("PRAGMA journal_mode = WAL")
        self._jobs.execute("PRAGMA synchronous = OFF")
        self._jobs.execute("CREATE TABLE job (job_id INTEGER PRIMARY KEY, done INTEGER NOT NULL)")
        self._jobs.execute("CREATE INDEX undone ON job (job_id) WHERE done = 0")
        self._run = self._start()

    def play(self, seconds: float) -> Found:
        """Hit the run for so long, then let it come to its end, and check."""
        end = time.monotonic() + seconds
        hit_at = time.monotonic() + 1.0
        while (now := time.monotonic()) < end:
            self._add_jobs()
            if now >= hit_at:
                self._hit(self._dice.choice(HITS))
                hit_at = time.monotonic() + self._dice.uniform(0.1, 0.8)
            time.sleep(PACE_S)
        self._finish()
        self._judge()
        self._jobs.close()
        return self.found

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PERSISTQ_")}
        with (self._home / "stderr").open("a") as errors:
            return subprocess.Popen(
                [sys.executable, str(SCRIPT)],
                cwd=self._home,
                env=environment
                | {
                    COOKIE: self._cookie,
                    "PERSISTQ_PROGRESS": "none",
                    "PERSISTQ_JOURNAL": ".persistq",
                    "XDG_STATE_HOME": str(self._home / "state"),
                },
                stdout=errors,
                stderr=errors,
            )

    def _add_jobs(self) -> None:
        count = self._dice.randint(0, JOBS_AT_A_TIME)
        if self._undone() > BACKLOG_MAX:
            return
        self.found.jobs += count
        self._jobs.executemany("INSERT INTO job (done) VALUES (?)", [(0,)] * count)

    def _hit(self, who: str) -> None:
        if who == "stop":
            self._stop()
            self._run = self._start()
            return
        roles = {pid: self._role(pid, line) for pid, line in living(self._cookie).items()}
        targets = [pid for pid, role in roles.items() if who in {role, "everything"}]
        if who == "worker":
            targets = targets and [self._dice.choice(targets)]
        for pid in targets:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.found.hits[who] += bool(targets)
        if targets and who in ENDS_RUN:
            self._run.wait()
            self._run = self._start()

    def _role(self, pid: int, line: str) -> str:
        if "persistq.broker" in line:
            return "broker"
        if pid == self._run.pid:
            return "script"
        path = self._home / "source.pid"
        return "source" if path.exists() and path.read_text() == str(pid) else "worker"

    def _stop(self) -> None:
        """Tell the run to end; it works off what it has put, and is done."""
        self.found.hits["stop"] += 1
        if not living(self._cookie).keys() - {self._run.pid}:
            # It has not begun, and ends as a program does that is told so.
            self._run.kill()
            self._run.wait()
            return
        began = time.monotonic()
        self._run.terminate()
        try:
            code = self._run.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.found.problems.append(f"the run did not end within {STOP_S:g} s")
            self._run.kill()
            return
        self.found.slowest_stop = max(self.found.slowest_stop, time.monotonic() - began)
        # A signal may come before the supervisor listens.
        if code not in {0, -signal.SIGTERM}:
            self.found.problems.append(f"a run that was told to end has ended with {code}")

    def _finish(self) -> None:
        deadline = time.monotonic() + STOP_S
        while self._undone() and time.monotonic() < deadline:
            if self._run.poll() is not None:
                self._run = self._start()
            time.sleep(PACE_S)
        self._stop()

    def _undone(self) -> int:
        [(count,)] = self._jobs.execute("SELECT count(*) FROM job WHERE done = 0").fetchall()
        return int(count)

    def _judge(self) -> None:
        found, hits = self.found, self.found.hits
        found.lost = self._undone()
        [(repeated,)] = self._jobs.execute("SELECT total(done - 1) FROM job WHERE done > 1")
        found.repeated = int(repeated)
        deaths = hits["worker"] + WORKERS * (hits["everything"] + hits["broker"])
        found.bound = REPEATS_OF_A_WORKER * deaths
        with sqlite3.connect(self._home / JOURNAL) as journal:
            [(found.loads,)] = journal.execute("SELECT count(*) FROM load")
            puts = Counter(
                journal.execute("SELECT load_id, value FROM item WHERE load_id IS NOT NULL")
            )
            states = {state for (state,) in journal.execute("SELECT state FROM load")}
        journal.close()
        found.put_twice = sum(count - 1 for count in puts.values())
        wrong = {
            f"{found.lost} jobs are lost": found.lost,
            f"{found.repeated} jobs were repeated, {found.bound} may be": (
                found.repeated > found.bound
            ),
            f"{found.put_twice} jobs were put twice in a load": found.put_twice,
            f"loads are {states}": states - {"settled"},
        }
        found.problems += [text for text, is_wrong in wrong.items() if is_wrong]
        found.problems += check_journal(self._home / JOURNAL)
        if left := living(self._cookie):
            found.problems.append(f"processes were left behind: {left}")


def soak(home: Path, seconds: float, seed: int) -> Found:
    """Soak for so long in an empty directory."""
    return Soak(home, random.Random(seed)).play(seconds)


def main() -> int:
    """Soak, print one line; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="pull-"))
    found = soak(home, options.minutes * 60, options.seed)
    print(f"seed={options.seed} minutes={options.minutes:g} {found}", flush=True)
    if found.problems:
        print(f"kept: {home}")
    else:
        shutil.rmtree(home)
    return bool(found.problems)


if __name__ == "__main__":
    sys.exit(main())
