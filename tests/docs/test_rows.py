"""What the pages on other queues say to be tested is tested by what they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from persistq.testing import queue_contract_checks

ROOT = Path(__file__).parents[2]
PAGES = {
    "from-pympx.md": {"P": range(1, 24), "PW": range(1, 16)},
    "from-pympx-folders.md": {"F": range(1, 19), "PW": range(16, 28), "R": range(1, 10)},
    "from-turbo-queue.md": {"T": range(1, 19), "TW": range(1, 17)},
}
"""The pages, and the rows of each kind that they have."""

ROWS = [
    (page, row, cell)
    for page in PAGES
    for row, cell in re.findall(
        r"^\| ([A-Z]+-[\d, A-Z-]+|[a-z]+[ :][^|]*) \|(?:.*\|)?(.*)\|$",
        (ROOT / "docs" / page).read_text("utf-8"),
        re.MULTILINE,
    )
]


@pytest.fixture(scope="module")
def names() -> set[str]:
    """All tests and checks."""
    files = (ROOT / "tests").rglob("test_*.py")
    defined = re.compile(r"^(?:def (test_\w+)|(Test\w+): Any)", re.MULTILINE)
    found = (defined.findall(file.read_text()) for file in files)
    tests = {function or machine for each in found for function, machine in each}
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
    found = {one for where, row, _ in ROWS if where == page for one in row.split(", ")}
    kinds = PAGES[page].items()
    rows = {f"{kind}-{number}" for kind, numbers in kinds for number in numbers}
    assert {one for one in found if one[0].isupper()} == rows
