"""The CSV load: gigabytes of rows, killed again and again, carried on by offset, in little memory.

``python -m tests.crash.csvload --gb 5`` makes the files, loads them, and prints what it has found.
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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from persistq.testing import check_journal

from .nemesis import COOKIE, living

SCRIPT = Path(__file__).with_name("script_csv.py")
JOURNAL = Path(".persistq", "csv.db")
SHARES = {"a.csv": 0.2, "b.csv": 0.4, "c.csv": 0.1, "d.csv": 0.3}
"""Parts of the whole, so that the order by size is not that by name."""
FILLER = "x" * 440
ROLES = ("source", "worker", "script", "broker", "everything")
ENDS_SCRIPT = ("script", "broker", "everything")
POLL_S = 0.05
MEMORY_MAX = 200 << 20
REPEATS_MAX = 20_000
"""Lines that may be in hand when a worker dies, with what it has not reported: see `docs`."""


@dataclass(slots=True)
class Found:
    """What a load has come to.

    Attributes:
        rows: Rows in all files.
        put: Items in the journal.
        done: Those that are done.
        missing: Lines that no handler has had.
        repeated: How often a handler has had a line again.
        kills: Who was killed how often.
        runs: How often the program was started.
        seconds: How long it took.
        peaks: The largest resident set by role, in bytes.
        problems: What is wrong, in words.
    """

    rows: int
    put: int = 0
    done: int = 0
    missing: int = 0
    repeated: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    seconds: float = 0.0
    peaks: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        peaks = " ".join(f"{role}={size >> 20}MB" for role, size in sorted(self.peaks.items()))
        return (
            f"rows={self.rows:,} put={self.put:,} done={self.done:,} missing={self.missing} "
            f"repeated={self.repeated} runs={self.runs} kills={dict(self.kills)} "
            f"seconds={self.seconds:.0f} peaks: {peaks} "
            f"{'FAILED: ' + '; '.join(self.problems) if self.problems else 'OK'}"
        )


def write_files(directory: Path, size: int) -> int:
    """Write CSV files of about so many bytes together, and return how many rows they have."""
    directory.mkdir()
    line = 0
    for name, share in SHARES.items():
        with (directory / name).open("w") as file:
            file.write("line,text,amount,filler\n")
            count = int(size * share) // len(_row(10_000_000))
            file.writelines(map(_row, range(line, line + count)))
            line += count
    return line


def _row(line: int) -> str:
    # Some have a line break in a field, so that lines of the file are not rows.
    gap = "\n" if line % 97 == 0 else " "
    return f'{line},"row {line},{gap}""quoted""",{line % 1000}.50,{FILLER}\n'


class Load:
    """One load from its first start until it is settled.

    Args:
        home: A directory with the files.
        rows: How many rows they have.
        dice: Decides who is killed, and when.
    """

    def __init__(self, home: Path, rows: int, dice: random.Random) -> None:
        self.found = Found(rows)
        self._home = home
        self._dice = dice
        self._cookie = secrets.token_hex(8)
        with (home / "seen").open("wb") as file:
            file.truncate(rows)

    def play(self, kills: int) -> Found:
        """Load, kill so often, carry on, and check."""
        began = time.monotonic()
        moments = sorted(self._dice.random() for _ in range(kills))
        script = self._start()
        for moment in moments:
            if script.poll() is not None:
                script = self._start()
            if self._reach(script, moment) and self._strike(script) in ENDS_SCRIPT:
                script.wait()
        code = self._end(script)
        while code in {-9, 3}:
            code = self._end(self._start())
        if code:
            self.found.problems.append(f"exit code {code}")
        self.found.seconds = time.monotonic() - began
        self._judge()
        return self.found

    def _end(self, script: subprocess.Popen[bytes]) -> int:
        """Wait until a run has ended by itself."""
        self._reach(script, 2.0)
        return script.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        self.found.runs += 1
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

    def _reach(self, script: subprocess.Popen[bytes], part: float) -> bool:
        """Wait until such a part of the rows is put; False if the program ended before."""
        while script.poll() is None:
            self._weigh(script.pid)
            if self._put() >= part * self.found.rows:
                return True
            time.sleep(POLL_S)
        return False

    def _put(self) -> int:
        try:
            with sqlite3.connect(f"file:{self._home / JOURNAL}?mode=ro", uri=True) as connection:
                row = connection.execute("SELECT next_n - 1 FROM queue").fetchone()
        except sqlite3.OperationalError:
            return 0
        finally:
            if "connection" in locals():
                connection.close()
        return int(row[0]) if row else 0

    def _weigh(self, script: int) -> None:
        """Note the peaks of all processes."""
        for pid, line in living(self._cookie).items():
            role = self._role(pid, line, script)
            self.found.peaks[role] = max(self.found.peaks.get(role, 0), _peak(pid))

    def _role(self, pid: int, line: str, script: int) -> str:
        if "persistq.broker" in line:
            return "broker"
        if pid == script:
            return "script"
        return "source" if str(pid) == self._source() else "worker"

    def _source(self) -> str:
        path = self._home / "source.pid"
        return path.read_text() if path.exists() else ""

    def _strike(self, script: subprocess.Popen[bytes]) -> str:
        wanted = self._dice.choice(ROLES)
        roles = {pid: self._role(pid, line, script.pid) for pid, line in self._living()}
        hit = [pid for pid, role in roles.items() if wanted in {role, "everything"}]
        for pid in hit:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.found.kills[wanted] += bool(hit)
        return wanted if hit else ""

    def _living(self) -> Iterator[tuple[int, str]]:
        yield from living(self._cookie).items()

    def _judge(self) -> None:
        found = self.found
        with sqlite3.connect(self._home / JOURNAL) as connection:
            rows = connection.execute(
                "SELECT next_n - 1, done, dropped, parked, state "
                "FROM queue JOIN load USING (load_id)"
            ).fetchall()
        connection.close()
        [(found.put, found.done, dropped, parked, state)] = rows
        counts = Counter((self._home / "seen").read_bytes())
        found.missing = counts.pop(0, 0)
        found.repeated = sum((times - 1) * lines for times, lines in counts.items())
        most = REPEATS_MAX * max(1, found.kills.total())
        wrong = {
            f"{found.put:,} items of {found.rows:,} rows": found.put != found.rows,
            f"{found.done:,} of them are done": found.done != found.rows,
            f"{dropped + parked} were dropped or parked": dropped or parked,
            f"the load is {state}": state != "settled",
            f"{found.missing} lines are missing": found.missing,
            f"{found.repeated} lines were worked on again, {most:,} may be": found.repeated > most,
            f"a process had {max(found.peaks.values()) >> 20} MB": max(found.peaks.values())
            > MEMORY_MAX,
        }
        found.problems += [text for text, is_wrong in wrong.items() if is_wrong]
        found.problems += check_journal(self._home / JOURNAL)


def _peak(pid: int) -> int:
    """Return the largest resident set that a process has had, in bytes; 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(sizes[0]) << 10 if sizes else 0


def load(home: Path, size: int, kills: int, seed: int) -> Found:
    """Make files of about so many bytes in a directory, load them, and say what was found."""
    rows = write_files(home / "incoming", size)
    return Load(home, rows, random.Random(seed)).play(kills)


def main() -> int:
    """Load, print one line; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gb", type=float, default=5.0)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="csv-"))
    found = load(home, int(options.gb * 1e9), options.kills, options.seed)
    print(f"seed={options.seed} gb={options.gb:g} {found}", flush=True)
    if found.problems:
        print(f"kept: {home}")
    else:
        shutil.rmtree(home)
    return bool(found.problems)


if __name__ == "__main__":
    sys.exit(main())
