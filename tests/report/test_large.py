"""A report of a load that was resumed a hundred times; ``make report`` has ten million items."""

from __future__ import annotations

from pathlib import Path

from persistq.testing import check_journal

from .large import LIMIT_BYTES, LIMIT_S, make, measured


def test_a_load_of_a_hundred_runs_has_a_small_page_soon(tmp_path: Path) -> None:
    """All its runs are on it, and moments are left out evenly."""
    journal, page = tmp_path / "journals" / "large.db", tmp_path / "large.html"
    make(journal, items=48_000, runs=100, samples=24)
    assert check_journal(journal) == []
    assert measured(journal, page) < LIMIT_S
    assert page.stat().st_size < LIMIT_BYTES
    text = page.read_text(encoding="utf-8")
    assert "Settled, but 48 items have failed; 47,952 are done." in text
    assert text.count('class="life killed"') == 99
