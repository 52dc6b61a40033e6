"""A load in which very much has failed is shown in time, and orders reach all of it."""

from __future__ import annotations

import pytest

from persistq.web import failures

from .asking import Begin, Site


def test_only_so_many_are_sorted_and_all_are_retried(
    begin: Begin, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says so, and so do its buttons."""
    monkeypatch.setattr(failures, "GROUPED_MOST", 3)
    ledger = begin()
    ledger.put(*range(5))
    for number in range(1, 6):
        ledger.fail(number, "ValueError", f"row {number} is bad")
    ledger.journal.close()
    text = site.enter().text("/j/sales/failures")
    assert "5 items; the first 3 are sorted" in text
    assert "Retry at least 3 items" in text
    said = site.order("retry", stage="store", pattern="ValueError: row N is bad")
    assert said.startswith("5 items are outstanding again")
