"""Scripts for the tests of pipelines; none may leave a process behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from persistq.testing import check_journal

from .program import Program

MakeProgram = Callable[..., Program]


@pytest.fixture(autouse=True)
def sound_journals(tmp_path: Path) -> Iterator[None]:
    """After each test no journal that it has made contradicts itself."""
    yield
    problems = {path: found for path in tmp_path.rglob("*.db") if (found := check_journal(path))}
    assert not problems


@pytest.fixture
def program(tmp_path: Path) -> Iterator[MakeProgram]:
    """Make scripts, each in a directory of its own; after the test their processes are gone."""
    made: list[Program] = []

    def make(text: str, *, home: str = "home") -> Program:
        made.append(Program(tmp_path / home, text))
        return made[-1]

    yield make
    left = {pid: line for one in made for pid, line in one.vanish().items()}
    for one in made:
        one.sweep()
    assert not left, f"processes were left behind: {left}"


@pytest.fixture(params=["fork", "spawn", "forkserver"])
def start_method(request: pytest.FixtureRequest) -> str:
    """Each way of starting a process."""
    method: str = request.param
    return method
