"""What the pages on PyMPX say to be tested is tested by what they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from persistq.testing import queue_contract_checks

ROOT = Path(__file__).parents[2]


def _rows(page: str, pattern: str) -> list[tuple[str, str]]:
    """Return the first and the last cell of each row of a page."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    return re.findall(rf"^\| ({pattern}) \|(?:.*\|)?(.*)\|$", text, re.MULTILINE)


OF_FOLDERS = _rows("folder-seeds.md", r"(?:F|PW|R)-\d+")
ROWS = _rows("seeds.md", r"PW?-\d+") + OF_FOLDERS + _rows("folder-seeds.md", r"[a-z]+[ :][^|]*")


@pytest.fixture(scope="module")
def names() -> set[str]:
    """All tests and checks."""
    files = [*(ROOT / "tests").rglob("test_*.py")]
    tests = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text())}
    machine = re.compile(r"^(Test\w+): Any", re.MULTILINE)
    tests |= {name for file in files for name in machine.findall(file.read_text())}
    return tests | {check.name.partition("[")[0] for check in queue_contract_checks()}


def test_no_row_of_folders_is_left_out() -> None:
    """Each feature and each weakness that was found is answered."""
    expected = {f"F-{n}" for n in range(1, 19)} | {f"PW-{n}" for n in range(16, 28)}
    assert {row for row, _ in OF_FOLDERS} == expected | {f"R-{n}" for n in range(1, 10)}


@pytest.mark.parametrize(("row", "cell"), ROWS)
def test_every_row_names_what_tests_it(row: str, cell: str, names: set[str]) -> None:
    """A name that was changed or removed proves nothing."""
    named = re.findall(r"`([^`]+)`", cell)
    assert named
    assert [name for name in named if name not in names and not (ROOT / name).exists()] == []
