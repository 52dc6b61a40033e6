"""``--one-in N``: of each test that has several cases, one in N is run.

Most of the time goes into tests that start real processes, each with many cases: start methods,
instants of dying, commands. `make test` runs every one of these tests, with some of its cases;
`make test-all` runs them with all. Which they are depends on the name of the test alone, so a
failure comes again, and the cases of different tests differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar
from zlib import crc32

import pytest

Case = TypeVar("Case")

STARTING_PROCESSES = (
    "benchmarks",
    "cli",
    "crash",
    "folder",
    "ground",
    "pipeline",
    "queue",
    "sinks",
    "strangers",
)
"""Directories whose tests take long; cases elsewhere cost nothing, and all are run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--one-in", type=int, default=1, metavar="N", help=__doc__.partition("\n")[0])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not to be run, and say how much that is."""
    share = config.getoption("one_in")
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.path.relative_to(Path(__file__).parent).parts[0] in STARTING_PROCESSES:
            cases[item.nodeid.partition("[")[0]].append(item)
    kept = {id(item) for name, some in cases.items() for item in chosen(name, some, share)}
    left_out = [item for some in cases.values() for item in some if id(item) not in kept]
    if left_out:
        gone = {id(item) for item in left_out}
        items[:] = [item for item in items if id(item) not in gone]
        config.hook.pytest_deselected(items=left_out)


def chosen(name: str, cases: Sequence[Case], share: int) -> Sequence[Case]:
    """Return one in so many cases of a test, and at least one."""
    return cases[crc32(name.encode()) % min(share, len(cases)) :: share]
