"""Random kills at random moments of two kinds of load; nothing promised is ever broken."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from .soak import play

SEED = int(os.environ.get("PERSISTQ_SOAK_SEED", "0")) or secrets.randbelow(1_000_000_000)
ITEMS = 4_000
FAULTS = 6


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("api", ["pipeline", "queue"])
def test_a_load_survives_random_kills(
    api: str, number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lost, phantom, unexpected and unrecorded items: none; repeated ones: no more than promised.

    The seed is printed, also on success; ``PERSISTQ_SOAK_SEED`` plays the same rounds again.
    """
    with capsys.disabled():
        print(f"\nPERSISTQ_SOAK_SEED={SEED} ", end="")
        report = play(api, SEED + number, ITEMS, FAULTS, tmp_path / "home")
    assert report.faults, "the nemesis never struck"
    assert not report.problems, str(report)
