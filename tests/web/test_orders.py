"""Orders from a page do what the verbs do, and say it in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from persistq.journal.reader import ItemState, JournalReader
from persistq.journal.sqlite_reader import SqliteReader
from persistq.web.orders import unmasked

from .asking import Begin, Site


def states(tmp_path: Path, name: str = "sales") -> list[ItemState]:
    """Return where the items of a journal's first stage are."""
    with SqliteReader(tmp_path / ".persistq" / f"{name}.db") as reader:
        return [it.state for it in items(reader)]


def items(reader: JournalReader) -> list:  # type: ignore[type-arg]
    """Return the items of its first stage."""
    [queue, *_] = reader.queues()
    return [*reader.items((queue.queue_id << 40) + 1, (queue.queue_id << 40) + queue.put)]


def failed(begin: Begin) -> None:
    """Begin a load of four items, three of which have failed in two ways, and let go of it."""
    ledger = begin()
    ledger.put({"day": 1, "token": "hush"}, {"day": 2}, {"day": 3}, {"day": 4})
    for number in (1, 2):
        ledger.fail(number, "ValueError", f"row {number} is bad")
    ledger.fail(3, "KeyError", "'day'")
    ledger.journal.close()


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that somebody has is waited for no longer than needed."""
    monkeypatch.setattr("persistq.cli.amending._CHANGING_S", 0.2)


def test_one_item_is_retried(begin: Begin, site: Site, tmp_path: Path) -> None:
    """Where no run is at work it is outstanding, and what to type is told."""
    failed(begin)
    said = site.enter().order("retry", item="store:1")
    assert said == "1 item is outstanding again; next: persistq resume sales"
    assert states(tmp_path).count(ItemState.PARKED) == 2
    assert site.order("retry", item="store:1").endswith(
        "is outstanding, and only what is parked as failed can be changed"
    )


def test_all_of_a_kind_are_retried(begin: Begin, site: Site, tmp_path: Path) -> None:
    """And none of another kind."""
    failed(begin)
    said = site.enter().order("retry", stage="store", pattern="ValueError: row N is bad")
    assert said.startswith("2 items are outstanding again")
    assert states(tmp_path)[2] is ItemState.PARKED
    assert site.order("retry", pattern="ValueError: row N is bad") == (
        "nothing is parked as failed that fits"
    )


def test_everything_is_dropped_with_a_reason(begin: Begin, site: Site, tmp_path: Path) -> None:
    """Which stays readable."""
    failed(begin)
    said = site.enter().order("drop", everything="1", reason=" duplicates ")
    assert said == "3 items are dropped"
    assert states(tmp_path)[:3] == [ItemState.DROPPED] * 3
    assert "duplicates" in site.text("/j/sales/items/store:1")


def test_an_order_that_says_nothing_of_which_changes_nothing(
    begin: Begin, site: Site, tmp_path: Path
) -> None:
    """An empty form is not all items."""
    failed(begin)
    site.enter()
    for form in ({}, {"stage": ""}, {"pattern": "", "everything": ""}, {"item": ""}):
        assert "nothing was changed" in site.order("drop", **form)
    assert states(tmp_path).count(ItemState.PARKED) == 3


def test_an_item_is_edited_and_its_secrets_stay(begin: Begin, site: Site, tmp_path: Path) -> None:
    """What is shown masked is put as it was."""
    failed(begin)
    text = json.dumps({"day": 7, "token": "***"})
    said = site.enter().order("edit", item="store:1", text=text, reason="typo")
    assert said.startswith("store:5 is put for store:1, which is dropped; next: persistq resume")
    with SqliteReader(tmp_path / ".persistq" / "sales.db") as reader:
        assert json.loads(items(reader)[-1].item.payload) == {"day": 7, "token": "hush"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "this is no JSON"),
        ("", "this is no JSON"),
        ("[" * 100_000, "this is no JSON"),
        ('{"day": 1, "other": "***"}', "stands for a secret in its own place only"),
        ('{"day": 1, "token": "***"}', "nothing is changed"),
    ],
)
def test_what_cannot_be_put_changes_nothing(
    begin: Begin, site: Site, tmp_path: Path, text: str, told: str
) -> None:
    """It is told in a sentence."""
    failed(begin)
    assert told in site.enter().order("edit", item="store:1", text=text)
    assert states(tmp_path).count(ItemState.PARKED) == 3


def test_what_was_masked_is_as_it_was_where_it_stays() -> None:
    """At any depth; what was typed anew is what was typed."""
    before = {"a": [{"token": "x", "n": 1}, "ftp://me:pw@h/"], "b": 2}
    masked = {"a": [{"token": "***", "n": 1}, "ftp://me:***@h/"], "b": 2}
    wished = {"a": [{"token": "***", "n": 5}, "ftp://me:***@h/"], "c": 3}
    assert unmasked(wished, masked, before) == {
        "a": [{"token": "x", "n": 5}, "ftp://me:pw@h/"],
        "c": 3,
    }
    assert unmasked({"token": "new"}, {"token": "***"}, {"token": "x"}) == {"token": "new"}


def test_a_journal_that_somebody_has_is_told(begin: Begin, site: Site, tmp_path: Path) -> None:
    """Nothing is changed then."""
    failed(begin)
    from persistq.site.finding import site_of

    lock = site_of(str(tmp_path / ".persistq" / "sales.db")).lock()
    assert lock.acquire()
    try:
        said = site.enter().order("retry", everything="1")
    finally:
        lock.release()
    assert "items are outstanding" not in said
    assert states(tmp_path).count(ItemState.PARKED) == 3
