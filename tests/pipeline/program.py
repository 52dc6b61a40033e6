"""A user's script in a directory of its own: started, watched, ended, and its journal read."""

from __future__ import annotations

import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COOKIE = "PERSISTQ_TEST_COOKIE"
DEADLINE_S = 50.0
"""Bounds every wait; pytest-timeout ends the whole test a little later."""

HEADER = '''\
from __future__ import annotations

import faulthandler, os, signal, sys, threading, time
from pathlib import Path
from persistq import Drop, Pipeline, Retry

if sys.stderr is not None:
    faulthandler.dump_traceback_later(45)

HERE = Path(__file__).parent


def note(*words):
    """Leave one line of evidence outside the journal."""
    file = os.open(HERE / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, (" ".join(map(str, words)) + "\\n").encode())
    os.close(file)


def noted(*words):
    """Count the lines that say exactly this."""
    path = HERE / "notes"
    return path.read_text().splitlines().count(" ".join(map(str, words))) if path.exists() else 0


def await_file(name):
    """Block until the test makes a file."""
    while not (HERE / name).exists():
        time.sleep(0.002)


'''


@dataclass(frozen=True, slots=True)
class Ended:
    """How a script ended.

    Attributes:
        code: Its exit status, negative for a signal.
        err: What it wrote to standard error.
    """

    code: int
    err: str


class Program:
    """One script, which can be started again and again.

    Args:
        home: Its directory; the journal is in there too.
        text: The script below the common header.
    """

    def __init__(self, home: Path, text: str) -> None:
        self.home = home
        self.script = home / "script.py"
        self.cookie = secrets.token_hex(8)
        self.started: list[subprocess.Popen[str]] = []
        home.mkdir(exist_ok=True)
        self.write(text)

    def write(self, text: str) -> None:
        """Replace the script, as somebody does who has fixed a bug."""
        self.script.write_text(HEADER + textwrap.dedent(text))

    # --- running ---

    def start(self, *, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start the script and return at once."""
        surroundings = {k: v for k, v in os.environ.items() if not k.startswith("PERSISTQ_")}
        settings = {"PERSISTQ_JOURNAL": str(self.home / "journal"), "PERSISTQ_PROGRESS": "none"}
        with (self.home / f"err{len(self.started)}").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, str(self.script)],
                cwd=self.home,
                env={**surroundings, **settings, COOKIE: self.cookie, **(env or {})},
                stdout=err,
                stderr=err,
                text=True,
            )
        self.started.append(process)
        return process

    def wait(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for a started script to end."""
        try:
            code = process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the script hangs:\n{self.said(process)}") from None
        return Ended(code, (self.home / f"err{self.started.index(process)}").read_text())

    def run(self, **env: str) -> Ended:
        """Start the script and wait for its end."""
        return self.wait(self.start(env=env))

    def said(self, process: subprocess.Popen[str]) -> str:
        """Return what a started script has written so far."""
        return (self.home / f"err{self.started.index(process)}").read_text()

    def await_said(self, process: subprocess.Popen[str], text: str) -> None:
        """Wait until a started script has written a text."""
        until(lambda: text in self.said(process))

    def touch(self, name: str) -> None:
        """Make the file that the script awaits."""
        (self.home / name).touch()

    # --- evidence ---

    @property
    def notes(self) -> list[str]:
        """The lines of evidence, in order."""
        path = self.home / "notes"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def counts(self) -> Counter[str]:
        """How often each line of evidence was left."""
        return Counter(self.notes)

    def pid(self, prefix: str) -> int:
        """Return the process id in the newest line of evidence that begins so; wait for it."""
        self.await_note(prefix)
        return int([line for line in self.notes if line.startswith(prefix)][-1].split()[-1])

    def await_note(self, prefix: str, count: int = 1) -> None:
        """Wait until so many lines begin with a prefix."""
        until(lambda: sum(line.startswith(prefix) for line in self.notes) >= count)

    # --- journal ---

    def rows(self, sql: str, name: str = "demo") -> list[Any]:
        """Ask the journal; single columns come as bare values."""
        path = self.home / "journal" / f"{name}.db"
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            rows = connection.execute(sql).fetchall()
        finally:
            connection.close()
        return [row[0] if len(row) == 1 else row for row in rows]

    def queues(self, name: str = "demo") -> list[tuple[int, int, int, int]]:
        """Return put, done, dropped and parked of each stage of the latest load."""
        return self.rows(
            "SELECT next_n - 1, done, dropped, parked FROM queue "
            "WHERE load_id = (SELECT max(load_id) FROM load) ORDER BY position",
            name,
        )

    # --- processes ---

    def processes(self) -> dict[int, str]:
        """Return the living processes of this program, with their command lines."""
        return living(self.cookie)

    def broker(self) -> int:
        """Return the broker's process id; wait for it."""
        found: list[int] = []

        def look() -> bool:
            found[:] = [pid for pid, line in self.processes().items() if "persistq.broker" in line]
            return bool(found)

        until(look)
        return found[0]

    def vanish(self) -> dict[int, str]:
        """Wait until no process of this program is left; return those that stay."""
        try:
            until(lambda: not self.processes(), patience=15)
        except AssertionError:
            return self.processes()
        return {}

    def sweep(self) -> None:
        """Kill whatever is left."""
        for pid in self.processes():
            kill(pid)
        for process in self.started:
            process.wait()


def living(cookie: str) -> dict[int, str]:
    """Return processes that carry a cookie in their environment, zombies left out."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if f"{COOKIE}={cookie}".encode() in (entry / "environ").read_bytes():
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return found


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process that may be gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def until(condition: Callable[[], object], *, patience: float = DEADLINE_S) -> None:
    """Poll until a condition holds.

    Raises:
        AssertionError: It did not in time.
    """
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.005)
