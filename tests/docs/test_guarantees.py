"""Every promise in the documents names a test that exists; every test of bad ground is told."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from persistq import testing

ROOT = Path(__file__).parents[2]
PROMISES = ROOT / "docs" / "guarantees.md"
PAGE = ROOT / "docs" / "proofs.md"

CHECKED = sorted(
    re.findall(r"::test_(journal|queue)_contract\[([\w\[\] ]+)\]", PAGE.read_text(encoding="utf-8"))
)
NAMED = sorted(set(re.findall(r"(tests/[\w/]+\.py)::(\w+)", PAGE.read_text(encoding="utf-8"))))


def names_in(path: Path) -> set[str]:
    """Return what a test file defines at its top level."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    assigned = {
        node.target.id
        for node in body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    return functions | assigned


def test_the_page_names_tests() -> None:
    """An empty list would prove nothing."""
    assert len(NAMED) > 50


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_every_named_test_exists(path: str, name: str) -> None:
    """A promise whose test was renamed or removed is no promise."""
    assert name in names_in(ROOT / path)


@pytest.mark.parametrize(("contract", "name"), CHECKED)
def test_every_named_check_exists(contract: str, name: str) -> None:
    """A rule of a contract is a promise as well; it may be checked in several cases."""
    checks = getattr(testing, f"{contract}_contract_checks")()
    assert name in {check.name.partition("[")[0] for check in checks}


def rows_of(page: Path) -> list[tuple[str, list[str]]]:
    """Return the rows of all tables of a page, each with the heading that it is under."""
    rows, heading = [], ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line
        elif line.startswith("| ") and not line.startswith(("| event", "| what")):
            rows.append((heading, [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]))
    return rows


def test_every_promise_is_shown() -> None:
    """What no test shows is not in a table; what is shown is told, in the same order."""
    promised = [
        (heading, cells[0]) for heading, cells in rows_of(PROMISES) if heading != "## At a glance"
    ]
    shown = [(heading, cells[0]) for heading, cells in rows_of(PAGE)]
    assert promised
    assert promised == shown


def test_every_row_names_a_test() -> None:
    """And users read none of them among the promises."""
    assert [cells for _, cells in rows_of(PAGE) if "::" not in cells[1]] == []
    assert [cells for _, cells in rows_of(PROMISES) if "::" in cells[-1]] == []


def test_every_test_of_bad_ground_is_in_the_page() -> None:
    """What is shown is also told."""
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in (ROOT / "tests" / "ground").glob("test_*.py")
        for name in names_in(path)
        if name.startswith("test_")
    }
    assert found - set(NAMED) == {
        ("tests/ground/test_bad_files.py", "test_the_longest_name_is_accepted")
    }
