"""The concurrent soak: workers of twenty items each, replaced all the time and killed at random.

``python -m tests.crash.at_once --minutes 10`` runs for as long as wanted, and prints what it
found. Each handler leaves a line when it begins and when it ends. So it is known what a worker had
in hand when it died, and whether the journal blames just that.
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
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from persistq.testing import check_journal

from .nemesis import COOKIE, living

SCRIPT = Path(__file__).with_name("script_at_once.py")
JOURNAL = Path(".persistq", "concurrent.db")
HITS = (*["worker"] * 40, "script", "broker", "stop")
AT_ONCE = 20
END_S = 120.0
PAUSE_S = (0.02, 0.5)


@dataclass(slots=True)
class Evidence:
    """What handlers have said.

    Attributes:
        workers: The processes that have worked, and how often each number was given.
        down: Those that have cleaned up.
        begun: What each has begun.
        open: What each has begun and not ended.
        ended: What was ended at all.
        poisoned: Processes that an item has killed, with the items.
        tasks: How many tasks were left when contexts were cleaned up.
        spells: Of each item who had it in hand, from which line to which.
        last: The last line of each process.
    """

    workers: Counter[int] = field(default_factory=Counter)
    down: set[int] = field(default_factory=set)
    begun: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    open: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    ended: set[int] = field(default_factory=set)
    poisoned: dict[int, int] = field(default_factory=dict)
    tasks: int = 0
    spells: defaultdict[int, list[tuple[int, int, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    last: dict[int, int] = field(default_factory=dict)

    @classmethod
    def read(cls, log: Path) -> Evidence:
        """Read what they have said."""
        evidence = cls()
        begun: dict[tuple[int, int], int] = {}
        for number, line in enumerate(log.read_text().splitlines()):
            word, pid, *rest = line.split()
            evidence.note(word, int(pid), rest)
            evidence.last[int(pid)] = number
            if word == "begin":
                begun[int(pid), int(rest[1])] = number
            elif word == "end":
                evidence._spell(int(pid), int(rest[1]), begun, number)
        for pid_, item_id in [*begun]:
            evidence._spell(pid_, item_id, begun, evidence.last[pid_])
        return evidence

    def _spell(self, pid: int, item_id: int, begun: dict[tuple[int, int], int], until: int) -> None:
        self.spells[item_id].append((pid, begun.pop((pid, item_id)), until))

    def others_had(self, pid: int, item_id: int) -> bool:
        """Return whether another process had an item in hand when this one has said its last."""
        at = self.last[pid]
        return any(
            other != pid and begin <= at < until for other, begin, until in self.spells[item_id]
        )

    def note(self, word: str, pid: int, rest: list[str]) -> None:
        """Take in one line."""
        if word == "up":
            self.workers[pid] += 1
        elif word == "down":
            self.down.add(pid)
            self.tasks += int(rest[0])
        elif word == "poison":
            self.poisoned[pid] = int(rest[0])
        elif word == "begin":
            self.begun[pid].add(int(rest[1]))
            self.open[pid].add(int(rest[1]))
        else:
            self.open[pid].discard(int(rest[1]))
            self.ended.add(int(rest[1]))


@dataclass(slots=True)
class Found:
    """What a soak has come to.

    Attributes:
        items: How many items were done, in both stages.
        deaths: How many workers have died with items in hand, and were to be blamed for them.
        suspects: How many items were suspected, and how often.
        crashes: How often an item was blamed.
        recycled: How many workers were replaced in good order.
        hits: Who was hit how often.
        problems: What is wrong, in words.
    """

    items: int = 0
    deaths: int = 0
    suspects: int = 0
    crashes: int = 0
    recycled: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        hits = dict(sorted(self.hits.items()))
        return (
            f"items={self.items:,} deaths={self.deaths} suspects={self.suspects} "
            f"crashes={self.crashes} recycled={self.recycled} hits={hits} "
            f"{'FAILED: ' + '; '.join(self.problems[:10]) if self.problems else 'OK'}"
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
        self._killed: set[int] = set()
        self._excused: set[int] = set()
        self._run = self._start()

    def play(self, seconds: float) -> Found:
        """Hit the run for so long, then let it come to its end, and check."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self._dice.uniform(*PAUSE_S))
            self._hit(self._dice.choice(HITS))
        (self._home / "enough").touch()
        self._finish()
        self._judge()
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

    def _hit(self, who: str) -> None:
        workers = self._workers()
        if who == "worker":
            if workers and _kill(pid := self._dice.choice(workers)):
                self._killed.add(pid)
                self.found.hits[who] += 1
            return
        if self._run.poll() is not None or not workers:
            return
        self.found.hits[who] += 1
        # Who dies with its run is not to blame, and so is nothing that it had in hand.
        self._excused |= {*living(self._cookie)}
        if who == "stop":
            self._run.terminate()
        else:
            self._killed |= {*living(self._cookie)}
            _kill(self._run.pid if who == "script" else self._broker())
            self._killed |= {*living(self._cookie)}
        self._run.wait(END_S)
        self._excused |= {*self._workers(alive=False)}
        self._run = self._start()

    def _workers(self, *, alive: bool = True) -> list[int]:
        """Return the workers, by what they have said."""
        log = self._home / "log"
        lines = log.read_bytes().splitlines()[-20_000:] if log.exists() else []
        said = {int(line.split()[1]) for line in lines if line.startswith(b"up ")}
        return sorted(said & living(self._cookie).keys() if alive else said)

    def _broker(self) -> int:
        lines = living(self._cookie).items()
        return next((pid for pid, line in lines if "persistq.broker" in line), 0)

    def _finish(self) -> None:
        if code := self._run.wait(END_S):
            self.found.problems.append(f"the last run has ended with {code}")

    # --- the verdict ---

    def _judge(self) -> None:
        problems, evidence = self.found.problems, Evidence.read(self._home / "log")
        self._judge_items(evidence)
        self._judge_blame(evidence)
        # Who is told to end while it is set up ends at once.
        dirty = evidence.begun.keys() - evidence.down - self._killed - evidence.poisoned.keys()
        problems += [f"the context of {pid} was not cleaned up" for pid in dirty]
        problems += [f"{evidence.tasks} tasks were left"] * bool(evidence.tasks)
        problems += check_journal(self._home / JOURNAL)
        problems += [f"left behind: {line}" for line in living(self._cookie).values()]

    def _judge_items(self, evidence: Evidence) -> None:
        with sqlite3.connect(self._home / JOURNAL) as journal:
            rows = journal.execute("SELECT name, next_n - 1, done, parked FROM queue").fetchall()
            ids = {item_id for (item_id,) in journal.execute("SELECT item_id FROM item")}
            [self.found.recycled] = journal.execute(
                "SELECT count(*) FROM worker WHERE ending = 'left'"
            ).fetchone()
        journal.close()
        self.found.items = sum(done for _, _, done, _ in rows)
        wrong = [row for row in rows if row[1] != row[2] or row[3]]
        self.found.problems += [f"of {name} {done} of {put}" for name, put, done, _ in wrong]
        if lost := ids - evidence.ended:
            self.found.problems.append(f"{len(lost)} items are done and were never worked on")

    def _judge_blame(self, evidence: Evidence) -> None:
        blamed = defaultdict[int, dict[int, str]](dict)
        with sqlite3.connect(self._home / JOURNAL) as journal:
            for pid, item_id, kind in journal.execute("SELECT pid, item_id, kind FROM failure"):
                blamed[pid][item_id] = kind
                self.found.suspects += kind == "suspect"
                self.found.crashes += kind == "crash"
        journal.close()
        for pid in evidence.workers:
            # A number that was given twice tells nothing.
            if evidence.workers[pid] == 1 and pid not in self._excused:
                self._judge_death(pid, blamed.pop(pid, {}), evidence)

    def _judge_death(self, pid: int, blamed: dict[int, str], evidence: Evidence) -> None:
        held, kinds = evidence.open[pid], {*blamed.values()}
        self.found.deaths += bool(held)
        wrong = {
            "had items in hand that are not blamed": held - blamed.keys(),
            "is blamed for what others had": {
                item_id
                for item_id in blamed.keys() - evidence.begun[pid]
                if evidence.others_had(pid, item_id)
            },
            f"has {len(blamed)} items in hand": len(blamed) > AT_ONCE,
            f"blames {len(blamed)} as {kinds}": bool(blamed)
            and kinds != ({"crash"} if len(blamed) == 1 else {"suspect"}),
            "blames somebody, and lives": bool(blamed)
            and pid not in self._killed
            and pid not in evidence.poisoned,
        }
        self.found.problems += [f"{pid} {text}" for text, is_wrong in wrong.items() if is_wrong]


def _kill(pid: int) -> bool:
    try:
        if pid:
            os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return bool(pid)


def main() -> int:
    """Soak, print one line; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="concurrent-"))
    found = Soak(home, random.Random(options.seed)).play(options.minutes * 60)
    print(f"seed={options.seed} minutes={options.minutes:g} {found}", flush=True)
    if found.problems:
        print(f"kept: {home}")
    else:
        shutil.rmtree(home)
    return bool(found.problems)


if __name__ == "__main__":
    sys.exit(main())
