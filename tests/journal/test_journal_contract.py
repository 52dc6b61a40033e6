"""A journal in a SQLite file keeps the contract of journals."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from persistq.journal.base import Journal
from persistq.journal.sqlite import open_journal
from persistq.testing import Check, journal_contract_checks

from .opaque import contradictions


@contextmanager
def a_file() -> Iterator[Callable[[], Journal]]:
    """Make room for a journal; it must agree with itself when the check is over."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "sales.db")
        yield lambda: open_journal(path)
        assert contradictions(path) == []


@pytest.mark.parametrize("check", journal_contract_checks(), ids=str)
def test_journal_contract(check: Check[Callable[[], Journal]]) -> None:
    """Each rule holds for SQLite."""
    check(a_file)
