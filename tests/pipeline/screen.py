"""A terminal on which a script is started, and what is to be seen on it."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from typing import IO

from .program import COOKIE, DEADLINE_S, Program

_PART = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|(\r)|(\n)|(.)", re.DOTALL)

_STYLE = re.compile(r"\x1b\[[\d;]*m")


class Terminal:
    """A terminal with a script on it.

    Args:
        script: What is started.
        width: Its columns.
        stdout: Where standard output goes, if not there.
        env: Further variables.
    """

    def __init__(
        self, script: Program, width: int, *, stdout: IO[str] | None = None, **env: str
    ) -> None:
        self.width = width
        self._bytes = b""
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
        outer = {k: v for k, v in os.environ.items() if not k.startswith("PERSISTQ_")}
        own = {"PERSISTQ_JOURNAL": str(script.home / "journal"), "TERM": "xterm"}
        self.process = subprocess.Popen(
            [sys.executable, str(script.script)],
            cwd=script.home,
            env={**outer, **own, COOKIE: script.cookie, "PYTHONIOENCODING": "utf-8", **env},
            stdin=theirs,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs,
            text=True,
        )
        script.started.append(self.process)
        os.close(theirs)

    @property
    def written(self) -> str:
        """All that was written, with what moves the cursor."""
        return self._bytes.decode("utf-8", "replace")

    def await_text(self, *texts: str) -> None:
        """Wait until texts have been written, each behind the one before."""
        pattern = re.compile(".*".join(map(re.escape, texts)), re.DOTALL)
        deadline = time.monotonic() + DEADLINE_S
        while not pattern.search(self.written):
            assert time.monotonic() < deadline, self.written
            assert self._read(deadline), self.written

    def wait(self) -> int:
        """Wait for the end of the script, and return its exit code."""
        deadline = time.monotonic() + DEADLINE_S
        while self._read(deadline):
            assert time.monotonic() < deadline, self.written
        os.close(self._ours)
        return self.process.wait(DEADLINE_S)

    @property
    def plain(self) -> str:
        """The same without styles."""
        return _STYLE.sub("", self.written)

    def lines(self) -> list[str]:
        """Return what is to be seen, from the first line on, also what has left the window."""
        rows: list[list[str]] = [[]]
        x = y = 0
        for many, command, back, line, char in _PART.findall(self.written):
            if back:
                x = 0
            elif command == "A":
                y -= int(many or 1)
            elif command == "K":
                rows[y].clear()
            elif line or (char and x >= self.width):
                x, y = 0 if char else x, y + 1
                rows.extend([] for _ in range(y + 1 - len(rows)))
            if char:
                rows[y].extend(" " * (x + 1 - len(rows[y])))
                rows[y][x] = char
                x += 1
        return ["".join(row).rstrip() for row in rows]

    def _read(self, deadline: float) -> bool:
        """Read what comes; return False if that was the end."""
        ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        try:
            chunk = os.read(self._ours, 65536) if ready else b""
        except OSError:  # Linux says EIO when the last writer has gone.
            chunk = b""
        self._bytes += chunk
        return bool(chunk)
