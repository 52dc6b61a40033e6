"""What the page on QuasiQueue says to be tested is tested by what it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from persistq.testing import queue_contract_checks

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| (QW?-[\d, QW-]+) \|.*\|(.*)\|$",
    (ROOT / "docs/quasiqueue.md").read_text("utf-8"),
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def names() -> set[str]:
    """All tests and checks."""
    files = (ROOT / "tests").rglob("test_*.py")
    tests = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text())}
    return tests | {check.name.partition("[")[0] for check in queue_contract_checks()}


@pytest.mark.parametrize(("row", "cell"), ROWS)
def test_every_row_names_what_tests_it(row: str, cell: str, names: set[str]) -> None:
    """A name that was changed or removed proves nothing."""
    named = re.findall(r"`([^`]+)`", cell)
    assert named
    assert [name for name in named if name not in names] == []
