"""Programs and commands about loads with folders, as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from persistq.pipeline.finishing import Finishing
from persistq.pipeline.iteminfo import ItemInfo

LIMIT_S = 100


def surroundings(home: Path, failpoint: str = "") -> dict[str, str]:
    """Return the environment of a program, which is killed at a point if one is named."""
    (home / "hits").mkdir(exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PERSISTQ_") or "TEST" in k}
    armed = {"PERSISTQ_FAILPOINT": f"{failpoint}:kill", "PERSISTQ_FAILPOINT_HITS": "hits"}
    return {**kept, **(armed if failpoint else {}), "PERSISTQ_PROGRESS": "none"}


def run_script(home: Path, script: str, failpoint: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program that lies there."""
    return subprocess.run(
        [sys.executable, script],
        cwd=home,
        env=surroundings(home, failpoint),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def persistq(home: Path, *arguments: str) -> int:
    """Run a command there, and return its exit code."""
    return told(home, *arguments).returncode


def told(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command there."""
    return subprocess.run(
        [sys.executable, "-m", "persistq.cli", *arguments],
        cwd=home,
        env=surroundings(home),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def stages_of(home: Path, name: str) -> dict[str, dict[str, Any]]:
    """Return the counters of a sound journal, by stage."""
    verified = told(home, "verify", name, "--json")
    assert verified.returncode == 0, verified.stdout
    return {stage["stage"]: stage for stage in json.loads(verified.stdout)["stages"]}


def names_in(directory: Path) -> list[str]:
    """Return what lies in a directory, in order."""
    return sorted(path.name for path in directory.iterdir())


class Recorded:
    """Stands for the journal, which says that it has recorded a checkpoint."""

    def __init__(self) -> None:
        self.count = 0

    def record(self, *_: Any) -> None:
        """Say that it is on disk."""
        self.count += 1


def finish(*claims: Any, done: str = ".done") -> None:
    """Finish files as the stage behind the one that has taken them."""
    items = [ItemInfo(n, 1, "in_done", str(n), Recorded()) for n, _ in enumerate(claims, 1)]  # type: ignore[arg-type]
    Finishing(done)(claims, items)
