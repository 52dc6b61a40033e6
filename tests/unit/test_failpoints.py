"""Crash points fire when they are armed, at the chosen time, in the chosen way."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from persistq import failpoints

SCRIPT = """
import sys
from persistq import failpoints
for n in range(1, 4):
    print(n, flush=True)
    failpoints.point("place.instant")
    failpoints.point("other")
"""


def run(text: str) -> tuple[int, str]:
    """Reach the points three times; return the exit code and how far it came."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {failpoints.VARIABLE: text},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.returncode, "".join(done.stdout.split())


@pytest.mark.parametrize(
    ("text", "code", "reached"),
    [
        ("", 0, "123"),
        ("elsewhere:kill", 0, "123"),
        ("place.instant", -signal.SIGKILL, "1"),
        ("place.instant:kill", -signal.SIGKILL, "1"),
        ("place.instant@3:kill", -signal.SIGKILL, "123"),
        ("place.instant@4:kill", 0, "123"),
        ("place.instant@2:exit:7", 7, "12"),
        ("place.instant:exit", 0, "1"),
        ("place.instant:error:ENOSPC", 1, "1"),
        ("other@3:exit:5,place.instant@2:exit:6", 6, "12"),
        ("place.instant:dance", 1, "1"),
    ],
)
def test_armed_point_fires_at_its_time(text: str, code: int, reached: str) -> None:
    """The variable says where, the how-manieth time, and what happens."""
    assert run(text) == (code, reached)


def test_hits_of_several_processes_are_counted_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes for the n-th time is the one; each has left its number."""
    monkeypatch.setenv(failpoints.HITS_VARIABLE, str(tmp_path))
    assert run("place.instant@5:exit:7") == (0, "123")
    assert run("place.instant@5:exit:7") == (7, "12")
    pids = [int(line) for line in (tmp_path / "place.instant").read_text().splitlines()]
    assert len(pids) == 5
    assert len(set(pids[:3])) == len(set(pids[3:])) == 1
    assert pids[0] != pids[4]
    assert len((tmp_path / "other").read_text().splitlines()) == 4


def test_error_has_the_named_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks like one of the system's, and names the point."""
    monkeypatch.setattr(failpoints, "_armed", failpoints._parse("here:error:ENOSPC,there:error"))
    with pytest.raises(OSError, match="failpoint here") as full:
        failpoints.point("here")
    assert full.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="failpoint there") as broken:
        failpoints.point("there")
    assert broken.value.errno == errno.EIO


def test_point_fires_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time it is quiet again."""
    monkeypatch.setattr(failpoints, "_armed", failpoints._parse("here@2:error"))
    failpoints.point("here")
    with pytest.raises(OSError, match="here"):
        failpoints.point("here")
    failpoints.point("here")


def test_stop_stops_the_process() -> None:
    """A stopped process can be looked at, and continued."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {failpoints.VARIABLE: "place.instant:stop"},
        stdout=subprocess.PIPE,
    ) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        os.kill(process.pid, signal.SIGCONT)
        assert process.wait(30) == 0
