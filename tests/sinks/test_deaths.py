"""Die at every instant of storing, start again, and compare what is there: each item once."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import persistq
from persistq import failpoints

from .dying import BAD, ITEMS
from .targets import Server, made

ROOT = Path(__file__).parents[2]
STARTS_MAX = 4


def _points() -> list[str]:
    """Return the names of the fail-points of sinks."""
    code = Path(persistq.__file__).parent.joinpath("sinks").glob("*.py")
    pattern = re.compile(r'failpoints\.point\(\s*"([^"]+)"')
    return sorted({name for path in code for name in pattern.findall(path.read_text())})


POINTS = [name for name in _points() if name != "sink.before_purge"]


def run(home: Path, target: str, armed: str) -> int:
    """Play a worker to its end, or its death; return its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.sinks.dying", str(home), target],
        cwd=ROOT,
        env=os.environ | {failpoints.VARIABLE: armed},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode


@pytest.mark.parametrize("hit", [1, 8])
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", ["files", "sqlite by URL", "postgresql by URL"])
def test_killed_at_any_instant_each_item_is_stored_once(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, point: str, hit: int
) -> None:
    """Rows, whole files and appended lines; the bad one in none of them; no receipts left."""
    place = None
    if kind != "files":
        server: Server | None = None
        if kind.startswith("postgresql"):
            server = request.getfixturevalue("server")
        place = made(kind, tmp_path, server)
    home = tmp_path / "home"
    home.mkdir()
    target = "files" if place is None else str(place.sink.target)
    codes = [run(home, target, f"{point}@{hit}:kill")]
    # The first is killed there, and so is the second if it comes as far.
    codes += [run(home, target, f"{point}@1:kill")] if codes[0] else []
    while codes[-1]:
        assert len(codes) < STARTS_MAX
        codes.append(run(home, target, ""))
    good = [n for n in range(1, ITEMS + 1) if n != BAD]
    header, *lines = (home / "all.txt").read_text().split()
    assert header == "n"
    assert sorted(map(int, lines)) == good
    files = {path.stem: len(path.read_text()) for path in home.glob("[0-9]*.txt")}
    assert files == {str(n): n for n in good}
    if place is not None:
        assert place.rows == good
        assert place.receipts == []
    left = [path.name for path in home.iterdir() if path.name.startswith(".")]
    # What was killed before its receipt was written may have left files of another grouping.
    assert not [name for name in left if ".at-" in name]
    assert hit > 1 or -signal.SIGKILL in codes


def test_the_points_are_all_there() -> None:
    """An empty list would prove nothing."""
    assert len(POINTS) >= 7
