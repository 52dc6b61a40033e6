"""Faults in system calls of a broker, by starting it under strace instead of directly."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest


def _strace_works() -> bool:
    if sys.platform != "linux" or shutil.which("strace") is None:
        return False
    trial = ["strace", "-qq", "-f", "-o", "/dev/null", "-e", "trace=none", "true"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


NEEDS_STRACE: Final = pytest.mark.skipif(
    not _strace_works(), reason="injecting faults into system calls needs a working strace"
)


@dataclass(frozen=True)
class Injection:
    """One fault.

    Attributes:
        call: The system call, or several with commas.
        fault: What strace injects, such as ``error=EIO:when=3`` or ``signal=SIGKILL:when=3``.
        paths: Files that the call must concern; none for any.
    """

    call: str
    fault: str
    paths: Sequence[Path] = ()

    def wrapper(self, place: Path) -> Path:
        """Write an executable that starts Python with this fault."""
        words = ["strace", "-qq", "-f", "-o", str(place / "report"), "-e", f"trace={self.call}"]
        words += ["-e", f"inject={self.call}:{self.fault}"]
        for path in self.paths:
            words += ["-P", str(path)]
        script = place / "faulty-python"
        # What strace says about paths that are not there yet is nobody's business.
        script.write_text(f'#!/bin/sh\nexec {" ".join(words)} {sys.executable} "$@" 2>/dev/null\n')
        script.chmod(0o755)
        return script

    def environment(self, place: Path) -> dict[str, str]:
        """Return what makes the program start its broker with this fault, when it is told."""
        return {"BROKER_PYTHON": str(self.wrapper(place))}


def patched(place: Path, change: str) -> dict[str, str]:
    """Return what makes the program start a broker in which some code has run first.

    Args:
        place: Where the executable is written.
        change: Python code that changes modules of persistq.
    """
    script = place / "patched-python"
    script.write_text(
        f"#!{sys.executable}\n"
        f"import sys\n"
        f"{change}\n"
        f"code, descriptor = sys.argv[-2:]\n"
        f"sys.argv = ['-c', descriptor]\n"
        f"exec(code)\n"
    )
    script.chmod(0o755)
    return {"BROKER_PYTHON": str(script)}
