"""How a child ended, as its parent can learn it: status, signal, memory, the OOM killer."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

UNKNOWN = 255
"""What multiprocessing itself takes for the exit status of a child that nobody knows of."""

TOGETHER_S = 2.0
"""Deaths by SIGKILL within this time of one for want of memory have the same cause."""

_OOM_KILLS = Path("/proc/vmstat")
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""``ru_maxrss`` counts bytes on macOS and kibibytes elsewhere."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of one child.

    Attributes:
        pid: The process.
        code: Exit status, or the negative number of the signal that killed it; None if somebody
            else has collected it, be it the kernel because SIGCHLD is ignored.
        peak_rss: Largest resident set in bytes, 0 when unknown.
        out_of_memory: Whether the kernel's OOM killer is the likely cause.
    """

    pid: int
    code: int | None
    peak_rss: int
    out_of_memory: bool

    @property
    def signal(self) -> int:
        """The signal that killed it, 0 for none."""
        return -self.code if self.code is not None and self.code < 0 else 0

    def __str__(self) -> str:
        if self.code is None:
            return "ended in an unknown way (something else has collected its exit status)"
        if self.code >= 0:
            return f"ended with exit code {self.code}"
        try:
            name = signal.Signals(self.signal).name
        except ValueError:
            name = f"signal {self.signal}"
        cause = ", likely for want of memory" if self.out_of_memory else ""
        return f"was killed by {name}{cause}"


def ending_of(process: BaseProcess, oom: OomWatch) -> Ending | None:
    """Return how a child ended, or None while it runs.

    Multiprocessing waits for its children in a way that tells nothing of their memory, and waits
    for ever for one that somebody else has collected. So this waits first where it can, and leaves
    the status where multiprocessing looks for it.

    Args:
        process: The child; it was started.
        oom: Says whether the OOM killer was about.
    """
    handle = process._popen  # type: ignore[attr-defined]  # noqa: SLF001
    if handle.returncode is None and handle.method != "forkserver":
        return _collected(handle, oom)
    # A forkserver's children are not this process's own; it says how they ended.
    code = process.exitcode
    return None if code is None else _ending(process.pid or 0, code, 0, oom)


def _collected(handle: Any, oom: OomWatch) -> Ending | None:
    try:
        found, status, usage = os.wait4(handle.pid, os.WNOHANG)
    except ChildProcessError:
        handle.returncode = UNKNOWN
        return Ending(handle.pid, None, 0, out_of_memory=False)
    if not found:
        return None
    handle.returncode = os.waitstatus_to_exitcode(status)
    return _ending(handle.pid, handle.returncode, usage.ru_maxrss * _RSS_UNIT, oom)


def _ending(pid: int, code: int, peak_rss: int, oom: OomWatch) -> Ending:
    return Ending(pid, code, peak_rss, out_of_memory=code == -signal.SIGKILL and oom.struck())


class OomWatch:
    """Tells whether the kernel has killed for want of memory since the last question, or just now.

    It often kills several processes together.
    """

    def __init__(self) -> None:
        self._count = _oom_kills()
        self._seen = -math.inf

    def struck(self) -> bool:
        """Return whether it has, anywhere on this machine."""
        before, self._count = self._count, _oom_kills()
        if self._count > before:
            self._seen = time.monotonic()
        return time.monotonic() - self._seen <= TOGETHER_S


def _oom_kills() -> int:
    try:
        lines = _OOM_KILLS.read_text().splitlines()
    except OSError:
        return 0
    counts = [int(line.split()[1]) for line in lines if line.startswith("oom_kill ")]
    return counts[0] if counts else 0
