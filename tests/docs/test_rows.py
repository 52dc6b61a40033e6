"""What the pages on other queues say to be tested is tested by what they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from persistq.testing import queue_contract_checks

ROOT = Path(__file__).parents[2]
PAGES = {
    "from-pympx.md": {"P": 23, "PW": 27, "F": 18},
    "from-turbo-queue.md": {"T": 18, "TW": 16},
}
"""The pages, and how many rows of each kind they have."""

ROWS = [
    (page, row, cell)
    for page in PAGES
    for row, cell in re.findall(
        r"^\| ([A-Z]+-[\d, A-Z-]+) \|.*\|(.*)\|$",
        (ROOT / "docs" / page).read_text("utf-8"),
        re.MULTILINE,
    )
]


@pytest.fixture(scope="module")
def names() -> set[str]:
    """All tests and checks."""
    files = (ROOT / "tests").rglob("test_*.py")
    tests = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text())}
    return tests | {check.name.partition("[")[0] for check in queue_contract_checks()}


@pytest.mark.parametrize(("page", "row", "cell"), ROWS)
def test_every_row_names_what_tests_it(page: str, row: str, cell: str, names: set[str]) -> None:
    """A name that was changed or removed proves nothing."""
    named = re.findall(r"`([^`]+)`", cell)
    assert named, (page, row)
    assert [name for name in named if name not in names and not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_no_row_is_left_out(page: str) -> None:
    """Of all that was found in the other queue."""
    rows = {one for where, row, _ in ROWS if where == page for one in row.split(", ")}
    kinds = PAGES[page].items()
    assert rows == {f"{kind}-{number}" for kind, most in kinds for number in range(1, most + 1)}
