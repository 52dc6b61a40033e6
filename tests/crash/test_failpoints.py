"""Die at every named instant, start again until it is settled, and compare the evidence."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import persistq

from .checker import Limits, judge
from .evidence import read_evidence
from .nemesis import COOKIE, living

HERE = Path(__file__).parent
ITEMS = 200
SHORT_S = 0.0005
LIMITS = Limits(workers=4, shortest=SHORT_S, ack_interval=0.0, window_time=0.0, window_max=1)
DEADLINE_S = 30.0


def _points() -> list[str]:
    """Return the names of all fail-points in the code."""
    code = Path(persistq.__file__).parent.rglob("*.py")
    pattern = re.compile(r'failpoints\.point\(\s*"([^"]+)"')
    return sorted({name for path in code for name in pattern.findall(path.read_text())})


POINTS = _points()
ROLE = {"worker": "worker", "source": "source"}


def _run(home: Path, failpoint: str) -> int:
    """Run the pipeline to its end and return its exit code; nothing of it may stay."""
    cookie = secrets.token_hex(8)
    with (home / "stderr").open("a") as errors:
        script = subprocess.Popen(
            [sys.executable, str(HERE / "script_pipeline.py")],
            cwd=home,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("PERSISTQ_")},
                "PERSISTQ_FAILPOINT": failpoint,
                "PERSISTQ_ACK_INTERVAL": "0",
                "PERSISTQ_WINDOW_TIME": "0",
                "PERSISTQ_MAX_CRASHES": "1000",
                "PERSISTQ_PROGRESS": "none",
                "PERSISTQ_JOURNAL": ".persistq",
                "PERSISTQ_START_METHOD": "fork",
                "SOAK_ITEMS": str(ITEMS),
                "SOAK_SHORT_S": str(SHORT_S),
                "SOAK_LONG_S": str(SHORT_S),
                COOKIE: cookie,
            },
            stdout=errors,
            stderr=errors,
        )
        try:
            return script.wait(DEADLINE_S)
        finally:
            _end(script, cookie)


def _end(script: subprocess.Popen[bytes], cookie: str) -> None:
    """See that all processes end by themselves."""
    deadline = time.monotonic() + DEADLINE_S / 2
    while (left := living(cookie)) and script.poll() is not None and time.monotonic() < deadline:
        time.sleep(0.005)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    script.wait()
    assert not left, f"processes were left behind: {left}"


def test_there_are_points() -> None:
    """The list below is taken from the code; an empty one would test nothing."""
    assert {"broker.before_commit", "worker.after_handler", "source.before_seal"} <= set(POINTS)


@pytest.mark.parametrize("hit", [1, 2, 50])
@pytest.mark.parametrize("point", POINTS)
def test_a_death_at_a_named_instant_costs_no_more_than_promised(
    point: str, hit: int, tmp_path: Path
) -> None:
    """Run and die there, run again until it is settled; each worker that dies repeats one item."""
    code = _run(tmp_path, f"{point}@{hit}:kill")
    error = (tmp_path / "stderr").read_text()
    deaths = error.count("was killed by SIGKILL")
    assert code in {0, 3}, error
    if hit <= 2 and not (point.startswith("source") and hit == 2):
        assert deaths or code == 3, f"nobody died at {point}"
    if code:
        assert _run(tmp_path, "") == 0, (tmp_path / "stderr").read_text()
    evidence = read_evidence(tmp_path)
    keys = {f"{stage}{n}" for stage in "ab" for n in range(ITEMS)}
    evidence.put = evidence.acknowledged = keys
    # Workers that die after the run has given up are not mentioned any more.
    deaths += LIMITS.workers if code else 0
    faults = [ROLE.get(point.partition(".")[0], "broker")] * max(1, deaths)
    journal = tmp_path / ".persistq" / "soak.db"
    assert not judge(evidence, journal, "ab", faults, LIMITS).problems
