"""A journal on disk, with one load that has one queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from persistq.journal.sqlite import SqliteJournal, open_journal
from persistq.testing.journals.feed import Feed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal of a test is."""
    return tmp_path / "journals" / "sales.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    """An empty journal, open for writing."""
    opened = open_journal(path)
    yield opened
    opened._writer._connection.close()


@pytest.fixture
def feed(journal: SqliteJournal) -> Feed:
    """One queue of one load of the journal."""
    return Feed(journal)
