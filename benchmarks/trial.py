"""One round of one contender, in a process, process group and directory of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

ARENA = Path(__file__).resolve().parent / "arena.py"


class TrialFailed(Exception):
    """A contender crashed or hung; the text says how."""


def play(
    place: Path, function: str, options: Mapping[str, Any], timeout: float, checkout: str = ""
) -> Any:
    """Play one round and return its outcome as it is written to JSON.

    Args:
        place: The directory, made if missing.
        function: As ``module:function``.
        options: Its arguments.
        timeout: Seconds after which everything it has started is killed.
        checkout: The checkout whose persistq is used; empty for the installed one.

    Raises:
        TrialFailed: There is no outcome.
    """
    place.mkdir(parents=True, exist_ok=True)
    said = place / "stderr"
    with said.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, str(ARENA), json.dumps([str(place), function, dict(options)])],
            stdout=subprocess.DEVNULL,
            stderr=file,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": checkout} if checkout else None,
        )
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        raise TrialFailed(f"hung: killed after {timeout:g} s") from None
    finally:
        _clear(process)
    if code:
        raise TrialFailed(f"crashed: {_last_words(said)}")
    return json.loads((place / "outcome.json").read_text(encoding="utf-8"))


def sweep(place: Path, *, keep: bool = False) -> None:
    """Remove what a round has left, unless it is to be kept, and wait for the disk.

    Nobody shall pay for what the one before it has not written back yet.
    """
    if not keep:
        shutil.rmtree(place, ignore_errors=True)
    os.sync()


def _clear(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the round; a contender may have crashed and left its children."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_words(said: Path) -> str:
    lines = said.read_text(encoding="utf-8", errors="replace").split("\n")
    # The first error is the cause; what follows is often only its echo in other processes.
    errors = [line for line in lines if _is_error(line)]
    others = [line for line in lines if line.strip()]
    return "; ".join(dict.fromkeys(errors)) or (others[-1] if others else "without a word")


def _is_error(line: str) -> bool:
    name, _, text = line.partition(": ")
    return bool(text) and name[:1].isalpha() and " " not in name
