"""Two hosts share a directory: each file is finished once, whoever is killed, and rounds end."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from .hosts import Plan, TwoHosts, refusal

SEED = int(os.environ.get("PERSISTQ_SOAK_SEED", "0")) or secrets.randbelow(1_000_000_000)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("lost", [0.0, 0.03], ids=["plain", "as NFS, answers lost"])
def test_two_hosts_finish_each_file_once_whoever_is_killed(
    lost: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Readers, writers, and a whole host; then a second round, which the first does not end.

    The seed is printed, also on success; ``PERSISTQ_SOAK_SEED`` hits the same ones again.
    """
    if why := refusal():
        pytest.skip(why)
    with capsys.disabled():
        print(f"\nPERSISTQ_SOAK_SEED={SEED} ", end="")
    plan = Plan(files=200, kills=10, seed=SEED, lost=lost, limit=100.0)
    found = TwoHosts(plan, tmp_path).play()
    assert found.kills == 10
    assert found.files == 220
    assert not found.problems, str(found)
