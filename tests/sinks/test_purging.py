"""Receipts are deleted when nobody will ask for them, and not before."""

from __future__ import annotations

import pytest

from persistq.items import item_id_of
from persistq.sinks import Loader, Stored
from persistq.sinks import receipts as receipts_module

from .targets import EVERY, RUN, Place, generic, key

OTHER = f"{9:032x}"


def store_singly(loader: Loader, numbers: range, run: str = RUN) -> None:
    """Store items, each in a transaction of its own."""
    for n in numbers:
        loader.load([key(n, run)], lambda *_: [None])


def test_receipts_are_purged_by_run_and_range(place: Place) -> None:
    """Those of other items, and of the same ids in another run, stay."""
    loader = place.open()
    store_singly(loader, range(1, 11))
    store_singly(loader, range(4, 6), OTHER)
    assert loader.purge(RUN, item_id_of(3, 3), item_id_of(3, 8)) == 6
    assert place.receipts == [1, 2, 4, 5, 9, 10]
    assert loader.purge(RUN, item_id_of(3, 3), item_id_of(3, 8)) == 0
    assert loader.load([key(2)], place.handler([9]))[0] == Stored(None, before=True)


def test_a_row_goes_when_nobody_will_ask_for_any_of_its_items(place: Place) -> None:
    """Whichever end of it is named, and its middle; the rows beside it go."""
    loader = place.open()
    for numbers in (range(1, 3), range(3, 11), range(11, 13)):
        loader.load([key(n) for n in numbers], lambda _, rest: [None] * len(rest))
    for first, last in ((3, 9), (4, 10), (5, 6)):
        assert loader.purge(RUN, item_id_of(3, first), item_id_of(3, last)) == 0
    assert loader.purge(RUN, item_id_of(3, 1), item_id_of(3, 9)) == 1
    assert loader.purge(RUN, item_id_of(3, 4), item_id_of(3, 20)) == 1
    assert place.spans == [(3, 10)]
    assert loader.purge(RUN, item_id_of(3, 3), item_id_of(3, 10)) == 1
    assert place.spans == []


def test_receipts_are_purged_in_steps(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that are named, however many there are, and nothing else."""
    monkeypatch.setattr(receipts_module, "PURGED_AT_ONCE", 7)
    monkeypatch.setattr("persistq.sinks.loading.PURGED_AT_ONCE", 7)
    loader = place.open()
    store_singly(loader, range(1, 31))
    store_singly(loader, range(1, 3), OTHER)
    assert loader.purge(RUN, item_id_of(3, 2), item_id_of(3, 28)) == 27
    assert place.receipts == [1, 1, 2, 29, 30]
    assert loader.purge(RUN, *EVERY) == 3
    assert loader.purge(RUN, *EVERY) == 0
    assert place.receipts == [1, 2]


def test_the_generic_form_purges_alike(by_url: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """In steps as well; it has a row for each item."""
    for name in ("persistq.sinks.generic", "persistq.sinks.loading"):
        monkeypatch.setattr(f"{name}.PURGED_AT_ONCE", 7)
    loader = generic(by_url, savepoints=True)
    loader.load([key(n) for n in range(1, 31)], lambda _, rest: [None] * len(rest))
    loader.load([key(1, OTHER)], lambda _, rest: [None])
    assert loader.purge(RUN, item_id_of(3, 30), item_id_of(3, 30)) == 1
    assert loader.purge(RUN, *EVERY) == 29
    assert by_url.receipts == [1]
