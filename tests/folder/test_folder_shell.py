"""Programs of a shell on either side, or on both: `mv` and `touch` are the whole protocol."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from persistq import DONE, FAILED, FolderQueue, UpstreamFailed

PAGE = Path(__file__).parents[2] / "docs" / "folders.md"
_SCRIPT = re.compile(r"^```sh\n# (\w+\.sh)\n(.*?)^```", re.DOTALL | re.MULTILINE)

SCRIPTS = dict(_SCRIPT.findall(PAGE.read_text(encoding="utf-8")))
"""The scripts as they stand in the page."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory with the scripts and what is to be put."""
    for name, script in SCRIPTS.items():
        (tmp_path / name).write_text(script)
    (tmp_path / "in").mkdir()
    (tmp_path / "new").mkdir()
    for name in ("a.csv", "-rf.csv", "two\nlines.csv", "b c.csv"):
        (tmp_path / "new" / name).write_text(name)
    return tmp_path


def sh(home: Path, script: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a script with nothing but the shell and the tools that POSIX has."""
    return subprocess.run(
        ["/bin/sh", "-eu", script, *args],
        cwd=home,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def names(directory: Path) -> list[str]:
    """Return what lies in a directory and is not hidden."""
    return sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))


NEW = ["-rf.csv", "a.csv", "b c.csv", "two\nlines.csv"]


def test_a_shell_puts_and_python_reads(home: Path) -> None:
    """It begins, puts, and ends; nothing of that is written by Python."""
    folder: FolderQueue[Any] = FolderQueue(home / "in", poll=0.005)
    sh(home, "put.sh")
    seen = []
    for path in folder:
        seen.append(path.read_text())
        folder.task_done()
    assert sorted(seen) == NEW
    assert names(home / "in/.done") == NEW
    folder.release()


def test_python_puts_and_a_shell_takes(home: Path) -> None:
    """What it takes it has; a second one that runs beside it gets something else."""
    with FolderQueue[Any](home / "in", producer="north", poll=0.005) as folder:
        for name in NEW:
            folder.put(home / "new" / name)
    sh(home, "take.sh", "first")
    assert names(home / "done") == NEW
    assert names(home / "in") == ["north.done", "north.helo"]
    assert FolderQueue[Any](home / "in", poll=0.005).get(timeout=30) is DONE


def test_a_shell_puts_and_a_shell_takes(home: Path) -> None:
    """Two take at the same time: each file is taken by one of them."""
    sh(home, "put.sh")
    takers = [
        subprocess.Popen(["/bin/sh", "-eu", "take.sh", name], cwd=home) for name in ("one", "two")
    ]
    assert [taker.wait(timeout=60) for taker in takers] == [0, 0]
    assert names(home / "done") == NEW
    assert sorted(path.read_text() for path in (home / "done").iterdir()) == NEW


def test_what_a_killed_shell_has_taken_is_taken_by_the_next(home: Path) -> None:
    """It lies in its own directory, from which its next start goes on."""
    sh(home, "put.sh")
    (home / "mine-one").mkdir()
    (home / "in/a.csv").rename(home / "mine-one/a.csv")
    sh(home, "take.sh", "one")
    assert names(home / "done") == NEW


def test_a_shell_fails_and_says_why(home: Path) -> None:
    """In the file that says so."""
    folder: FolderQueue[Any] = FolderQueue(home / "in", poll=0.005)
    (home / "fail.sh").write_text('echo "disk full" > in/north.failed\n')
    sh(home, "fail.sh")
    assert folder.get(timeout=30) is FAILED
    with pytest.raises(UpstreamFailed, match="disk full"):
        next(iter(folder))
    folder.release()
