"""Receipts are deleted when nobody will ask for them, and not before."""

from __future__ import annotations

from persistq.items import item_id_of
from persistq.sinks import Stored
from persistq.sinks import receipts as receipts_module

from .targets import RUN, Place, generic, key

OTHER = f"{9:032x}"


def test_receipts_are_purged_by_run_and_range(place: Place) -> None:
    """Those of other items, and of the same ids in another run, stay."""
    loader = place.open()
    loader.load([key(n) for n in range(1, 11)], place.handler(range(10)))
    loader.load([key(n, OTHER) for n in (4, 5)], place.handler(range(2)))
    assert loader.purge(RUN, item_id_of(3, 3), item_id_of(3, 8)) == 6
    assert place.receipts == [1, 2, 4, 5, 9, 10]
    assert loader.purge(RUN, item_id_of(3, 3), item_id_of(3, 8)) == 0
    assert loader.load([key(2)], place.handler([9]))[0] == Stored(None, before=True)


def test_all_receipts_of_a_load_are_purged_in_steps(place: Place, monkeypatch: object) -> None:
    """Of all its runs, however many there are, and nothing else."""
    monkeypatch.setattr(receipts_module, "PURGED_AT_ONCE", 7)  # type: ignore[attr-defined]
    monkeypatch.setattr("persistq.sinks.loading.PURGED_AT_ONCE", 7)  # type: ignore[attr-defined]
    loader = place.open()
    loader.load([key(n) for n in range(1, 31)], lambda _, rest: [None] * len(rest))
    loader.load([key(n, OTHER) for n in range(1, 8)], lambda _, rest: [None] * len(rest))
    loader.load([key(n, f"{8:032x}") for n in (1, 2)], lambda _, rest: [None] * len(rest))
    assert loader.purge_runs([RUN, OTHER]) == 37
    assert place.receipts == [1, 2]
    assert loader.purge_runs([RUN, OTHER]) == 0


def test_the_generic_form_purges_alike(by_url: Place, monkeypatch: object) -> None:
    """In steps as well."""
    for name in ("persistq.sinks.generic", "persistq.sinks.loading"):
        monkeypatch.setattr(f"{name}.PURGED_AT_ONCE", 7)  # type: ignore[attr-defined]
    loader = generic(by_url, savepoints=True)
    loader.load([key(n) for n in range(1, 31)], lambda _, rest: [None] * len(rest))
    loader.load([key(1, OTHER)], lambda _, rest: [None])
    assert loader.purge(RUN, item_id_of(3, 30), item_id_of(3, 30)) == 1
    assert loader.purge_runs([RUN]) == 29
    assert by_url.receipts == [1]
