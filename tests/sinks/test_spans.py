"""Items that are stored together share a row of receipts, and are told apart all the same."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persistq.sinks import FileSink, Key, NotStored, Sink, Stored
from persistq.sinks import receipts as receipts_module
from persistq.sinks.receipts import Receipt, receipts_of, rows_of

from .targets import EVERY, RUN, Place, key

OTHER = f"{9:032x}"


def outputs_of(numbers: Sequence[int]) -> list[bytes]:
    """Return what comes of items, so that each can be told from all others."""
    return [f"out of {n}".encode() for n in numbers]


def store(place: Place, numbers: Sequence[int], run: str = RUN) -> list[int]:
    """Store items in one batch; return those that the handler was called with."""
    called: list[int] = []

    def attempt(connection: Any, positions: Sequence[int]) -> list[bytes]:
        given = [numbers[position] for position in positions]
        called.extend(given)
        for n in given:
            place.insert(connection, n)
        return outputs_of(given)

    endings = place.open().load([key(n, run) for n in numbers], attempt)
    place.opened.pop().close()
    before = [n not in called for n in numbers]
    assert endings == [*map(Stored, outputs_of(numbers), before)]
    return called


def test_neighbours_share_one_row(place: Place) -> None:
    """However many they are; a gap, and another run, begin another one."""
    store(place, [*range(1, 501)])
    store(place, [502, 503, 510])
    assert place.spans == [(1, 500), (502, 503), (510, 510)]
    store(place, [1, 2], OTHER)
    assert place.spans == [(1, 2), (1, 500), (502, 503), (510, 510)]


@pytest.mark.parametrize(
    ("again", "called"),
    [
        ([5, 6, 7], []),
        ([8, 9, 10, 11, 12], [11, 12]),
        ([1, 2, 3, 4, 5], [1, 2]),
        ([*range(1, 15)], [1, 2, 11, 12, 13, 14]),
        ([2, 3, 11], [2, 11]),
        ([1, 2], [1, 2]),
        ([11], [11]),
    ],
    ids=["within", "the end", "the beginning", "around", "with gaps", "before", "behind"],
)
def test_a_batch_that_was_cut_otherwise_is_taken_apart(
    place: Place, again: list[int], called: list[int]
) -> None:
    """What has a receipt is not stored again, and what came of it goes on; the rest is stored."""
    store(place, [*range(3, 11)])
    assert store(place, again) == called
    assert place.rows == sorted([*range(3, 11), *called])
    assert store(place, again) == []


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=st.lists(st.sets(st.integers(1, 24), min_size=1), min_size=1, max_size=8))
def test_any_batches_store_each_item_once(sqlite: Place, batches: list[set[int]]) -> None:
    """Cut as they may be, with any order within and any overlap."""
    sqlite.open().purge(RUN, *EVERY)
    sqlite.run("DELETE FROM rows")
    for batch in batches:
        store(sqlite, [*batch])
    assert sqlite.rows == sqlite.receipts == sorted(set().union(*batches))


@pytest.mark.parametrize("theirs", [[4, 5], [1, 2], [10, 11], [*range(1, 12)], [3]])
def test_somebody_who_stores_a_part_meanwhile_is_noticed(
    postgresql: Place, theirs: list[int]
) -> None:
    """Whichever part it is, and although the rows begin elsewhere: ours is rolled back and cut."""
    ours = [*range(2, 11)]
    called: list[list[int]] = []

    def attempt(connection: Any, positions: Sequence[int]) -> list[bytes]:
        given = [ours[position] for position in positions]
        if not called:
            store(postgresql, theirs)
        called.append(given)
        for n in given:
            postgresql.insert(connection, n)
        return outputs_of(given)

    endings = postgresql.open().load([key(n) for n in ours], attempt)
    rest = [n for n in ours if n not in theirs]
    assert called == [ours, *([rest] if rest else [])]
    assert [ending.outputs for ending in endings] == outputs_of(ours)  # type: ignore[union-attr]
    assert postgresql.rows == sorted({*ours, *theirs})


def test_two_who_store_overlapping_batches_at_one_moment_store_each_item_once(
    place: Place,
) -> None:
    """Both have looked, where the database lets two do so, before either writes."""
    both = threading.Barrier(2)
    endings: list[list[Any]] = []

    def work(numbers: list[int]) -> None:
        # SQLite lets only one in.
        tries = [both] if "postgresql" in place.where else []

        def attempt(connection: Any, positions: Sequence[int]) -> list[bytes]:
            if tries:
                tries.pop().wait(30)
            for position in positions:
                place.insert(connection, numbers[position])
            return outputs_of([numbers[position] for position in positions])

        loader = place.sink.open()
        endings.append(loader.load([key(n) for n in numbers], attempt))
        loader.close()

    batches = [[*range(1, 41)], [*range(21, 61)]]
    threads = [threading.Thread(target=work, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not [one for each in endings for one in each if isinstance(one, NotStored)]
    assert place.rows == place.receipts == [*range(1, 61)]


def test_who_looks_before_the_transaction_begins_is_refused_by_the_insert(tmp_path: Path) -> None:
    """As stages that write files do: the statement that inserts looks once more."""
    path = tmp_path / "receipts.db"
    loader, other = FileSink(str(path)).open(), Sink(f"sqlite:///{path}").open()
    called: list[int] = []

    def attempt(connection: Any, positions: Sequence[int]) -> list[bytes]:
        called.append(len(positions))
        if len(called) == 1:
            other.load([key(3), key(4)], lambda *_: [b"theirs"] * 2)
        return [b"ours"] * len(positions)

    endings = loader.load([key(n) for n in range(1, 7)], attempt)
    assert called == [6, 4]
    assert [ending.before for ending in endings] == [False] * 2 + [True] * 2 + [False] * 2  # type: ignore[union-attr]
    loader.close()
    other.close()


@pytest.mark.parametrize("run", [RUN, "f" * 32, f"{1:032x}"])
def test_runs_are_told_apart_whatever_their_numbers_are(place: Place, run: str) -> None:
    """One number holds the run and the ids of a row in PostgreSQL; the largest ids have room."""
    for one in (run, f"{(int(run, 16) - 1):032x}", OTHER):
        for last in (1, (1 << 63) - 1):
            keys = [Key(one, last)]
            assert place.open().load(keys, lambda *_: [b"x"]) == [Stored(b"x")]
            assert place.open().load(keys, lambda *_: pytest.fail("run again")) == [
                Stored(b"x", before=True)
            ]


def test_much_that_came_of_items_is_kept_in_several_rows(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database limits what one value may hold."""
    monkeypatch.setattr(receipts_module, "OUTPUTS_MAX", 20)
    store(place, [*range(1, 10)])
    assert place.spans == [(1, 3), (4, 6), (7, 9)]
    assert store(place, [*range(1, 10)]) == []


def test_files_are_kept_with_one_item() -> None:
    """Whoever holds that item finishes them, and nobody else at the same time."""
    rows = rows_of(RUN, [(1, b"a"), (2, None), (4, b"")], "files")
    assert [row[:2] for row in rows] == [(1, 2), (4, 4)]
    assert [one for row in rows for one in receipts_of(*row[:4])] == [
        (1, Receipt(b"a", "files")),
        (2, Receipt(None)),
        (4, Receipt(b"")),
    ]


def test_a_table_of_another_form_is_refused(tmp_path: Path) -> None:
    """A row for each item, as the generic form has it: nothing of it would be found."""
    with closing(sqlite3.connect(tmp_path / "target.db")) as connection:
        connection.execute("CREATE TABLE persistq_receipt (run, item, outputs, files)")
    with pytest.raises(Exception, match="another's"):
        Sink(f"sqlite:///{tmp_path}/target.db").open()
