"""How a child ended, as its parent can learn it: status, signal, memory, the OOM killer."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

TOGETHER_S = 2.0
"""Deaths by SIGKILL within this time of one for want of memory have the same cause."""

_OOM_KILLS = Path("/proc/vmstat")
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""``ru_maxrss`` counts bytes on macOS and kibibytes elsewhere."""


@dataclass(frozen=True, slots=True)
class Death:
    """The end of one child.

    Attributes:
        pid: The process.
        code: Exit status, or the negative number of the signal that killed it.
        peak_rss: Largest resident set in bytes, 0 when unknown.
        out_of_memory: Whether the kernel's OOM killer is the likely cause.
    """

    pid: int
    code: int
    peak_rss: int
    out_of_memory: bool

    @property
    def signal(self) -> int:
        """The signal that killed it, 0 for none."""
        return -self.code if self.code < 0 else 0

    def __str__(self) -> str:
        if self.code >= 0:
            return f"ended with exit code {self.code}"
        try:
            name = signal.Signals(self.signal).name
        except ValueError:
            name = f"signal {self.signal}"
        cause = ", likely for want of memory" if self.out_of_memory else ""
        return f"was killed by {name}{cause}"


def death_of(process: BaseProcess, oom: OomWatch) -> Death | None:
    """Return how a child ended, or None while it runs.

    Multiprocessing waits for its children in a way that tells nothing of their memory, so this
    waits first where it can, and leaves the status where multiprocessing looks for it. Children of
    a forkserver are not this process's own.

    Args:
        process: The child; it was started.
        oom: Says whether the OOM killer was about.
    """
    pid, peak_rss = process.pid or 0, 0
    handle = process._popen  # type: ignore[attr-defined]  # noqa: SLF001
    if handle is not None and handle.returncode is None:
        with contextlib.suppress(ChildProcessError):
            found, status, usage = os.wait4(pid, os.WNOHANG)
            if not found:
                # Asking the process itself would collect one that ends now, without its usage.
                return None
            handle.returncode = os.waitstatus_to_exitcode(status)
            peak_rss = usage.ru_maxrss * _RSS_UNIT
    code = process.exitcode
    if code is None:
        return None
    return Death(pid, code, peak_rss, out_of_memory=code == -signal.SIGKILL and oom.struck())


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
