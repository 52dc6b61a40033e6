"""The figures of a small load, and a browser to look at their page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from browser import browser  # noqa: F401

from persistq.journal.sqlite_reader import SqliteReader
from persistq.report.figures import Figures
from persistq.report.gathering import Gathering, Situation
from persistq.report.page import page_of

from .large import BEGAN, make

WritePage = Callable[[Figures], str]


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Figures:
    """The figures of a load of 6,000 items in three runs; items and workers have failed."""
    path = tmp_path_factory.mktemp("report") / "journals" / "large.db"
    make(path, items=6000, runs=3, samples=50)
    with SqliteReader(path) as reader:
        view = reader.view()
        assert view.load is not None
        commands = "persistq resume --failed large", "persistq failed large"
        situation = Situation(BEGAN + timedelta(days=1), "settled", *commands)
        return Gathering(reader, view, view.load, situation).figures()


@pytest.fixture
def write_page(tmp_path: Path) -> WritePage:
    """Write a page, and return its address."""

    def write(figures: Figures) -> str:
        page = tmp_path / "page.html"
        page.write_text(page_of(figures), encoding="utf-8")
        return page.as_uri()

    return write
