"""An item is stored once, with its receipt, whoever tries again and whenever."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from persistq.errors import TransactionEnded
from persistq.sinks import Fault, NotStored, Stored

from .targets import EVERY, RUN, Place, generic, key


def test_a_batch_is_stored_with_its_receipts(place: Place) -> None:
    """Rows and receipts are committed when `load` returns."""
    loader = place.open()
    endings = loader.load([key(n) for n in range(1, 6)], place.handler(range(5)))
    assert endings == [Stored(None)] * 5
    assert place.rows == [0, 1, 2, 3, 4]
    assert place.receipts == [1, 2, 3, 4, 5]


def test_what_is_stored_is_not_given_to_the_handler_again(place: Place) -> None:
    """A later attempt, in another process, runs the handler on the others only."""
    place.open().load([key(2), key(3)], place.handler([2, 3]))
    given: list[int] = []

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        given.extend(positions)
        return place.handler([1, 2, 3, 4])(connection, positions)

    endings = place.open().load([key(n) for n in (1, 2, 3, 4)], attempt)
    assert given == [0, 3]
    assert [ending.before for ending in endings] == [False, True, True, False]
    assert place.rows == [1, 2, 3, 4]


def test_outputs_of_a_stored_item_are_kept(place: Place) -> None:
    """They are the same bytes for who gets the item again, and none are none."""
    outputs = [b"\x00\xff" * 40_000, None, b""]
    first = place.open().load([key(n) for n in (1, 2, 3)], lambda *_: outputs)
    again = place.open().load([key(n) for n in (3, 2, 1)], lambda *_: pytest.fail("run again"))
    assert first == [Stored(kept) for kept in outputs]
    assert again == [Stored(kept, before=True) for kept in reversed(outputs)]


def test_items_of_several_runs_in_one_batch(place: Place) -> None:
    """The same id in another run is another item."""
    first, second = f"{1:032x}", f"{2:032x}"
    keys = [key(1, second), key(1, first), key(2, first)]
    endings = place.open().load(keys, place.handler([1, 2, 3]))
    assert endings == [Stored(None)] * 3
    assert place.open().load(keys[:1], place.handler([9]))[0] == Stored(None, before=True)
    assert place.rows == [1, 2, 3]


def test_what_raises_leaves_nothing(place: Place) -> None:
    """Neither rows nor a receipt; the error is handed back as it was raised."""

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        place.insert(connection, 1)
        raise KeyError("of the handler")

    (ending,) = place.open().load([key(1)], attempt)
    assert isinstance(ending, NotStored)
    assert (ending.fault, str(ending.error)) == (Fault.OTHER, "'of the handler'")
    assert (place.rows, place.receipts) == ([], [])
    assert place.open().load([key(1)], place.handler([1])) == [Stored(None)]


def test_an_interrupted_batch_is_rolled_back(place: Place) -> None:
    """Ctrl-C says nothing about an item, and nothing of it stays."""

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        place.insert(connection, 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.open().load([key(1), key(2)], attempt)
    assert (place.rows, place.receipts) == ([], [])


def test_an_error_that_the_handler_has_caught_is_not_taken_for_success(place: Place) -> None:
    """What the database would roll back at the commit is not stored, and nobody says it is."""

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        place.insert(connection, 1)
        with suppress(Exception):
            place.insert(connection, -1)
        return [None] * len(positions)

    (ending,) = place.open().load([key(1)], attempt)
    # SQLite takes back the statement alone, PostgreSQL the transaction.
    assert isinstance(ending, Stored) is not place.where.startswith("postgresql")
    assert len(place.rows) == len(place.receipts) == isinstance(ending, Stored)


def test_a_handler_does_not_end_the_transaction(place: Place) -> None:
    """Neither commit nor rollback: what came before would be without its receipt, or lost."""
    for name in ("commit", "rollback"):

        def attempt(connection: Any, positions: Sequence[int], name: str = name) -> list[None]:
            place.insert(connection, 1)
            getattr(connection, name)()
            return [None] * len(positions)

        endings = place.open().load([key(1), key(2)], attempt)
        assert {type(ending) for ending in endings} == {NotStored}
        assert (place.rows, place.receipts) == ([], [])


@pytest.mark.parametrize("sql", ["COMMIT", "ROLLBACK"])
def test_a_handler_that_ends_the_transaction_all_the_same_is_noticed(
    place: Place, sql: str
) -> None:
    """Behind the back of every guard, where there is such a way: it is told, and not repeated."""
    attempts = []

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        attempts.append(positions)
        place.insert(connection, 1)
        getattr(connection, "exec_driver_sql", connection.execute)(sql)
        return [None] * len(positions)

    endings = place.open().load([key(1), key(2)], attempt)
    assert {type(ending) for ending in endings} == {NotStored}
    # Of others the driver, or SQLite's authorizer, did not let it.
    ended = isinstance(endings[0].error, TransactionEnded)
    assert len(attempts) == (1 if ended else 3)
    assert len(place.rows) == (ended and sql == "COMMIT")
    assert place.receipts == []
    assert place.open().load([key(1)], place.handler([5])) == [Stored(None)]


@pytest.mark.parametrize("savepoints", [True, False])
def test_dialects_without_sql_of_their_own_are_served_by_core(
    by_url: Place, savepoints: bool
) -> None:
    """The generic form keeps the same promises, tried where it can be."""
    loader = generic(by_url, savepoints=savepoints)
    numbers = [1, -1, 2, 3, -1, 4, 5, 6]
    keys = [key(n) for n in range(1, 9)]
    endings = loader.load(keys, by_url.handler(numbers))
    assert [type(ending) is Stored for ending in endings] == [n > 0 for n in numbers]
    assert by_url.rows == [1, 2, 3, 4, 5, 6]
    again = loader.load(keys, lambda connection, positions: [b"x"] * len(positions))
    assert [ending.outputs for ending in again] == [None if n > 0 else b"x" for n in numbers]
    assert by_url.receipts == [*range(1, 9)]
    assert loader.purge(RUN, *EVERY) == 8
    assert loader.purge(RUN, *EVERY) == 0


@pytest.mark.parametrize("form", ["plain", "generic"])
def test_a_receipt_that_somebody_writes_meanwhile_is_found(postgresql: Place, form: str) -> None:
    """Two at the same item: the second one's work is rolled back, and it finds the first one's."""
    loader, other = (
        generic(postgresql, savepoints=True) if form == "generic" else postgresql.open()
        for _ in range(2)
    )
    attempts = []

    def attempt(connection: Any, positions: Sequence[int]) -> list[bytes]:
        attempts.append(positions)
        other.load([key(1)], lambda *_: [b"theirs"])
        postgresql.insert(connection, 1)
        return [b"ours"] * len(positions)

    assert loader.load([key(1)], attempt) == [Stored(b"theirs", before=True)]
    assert len(attempts) == 1
    assert postgresql.rows == []
