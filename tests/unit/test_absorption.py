"""What an earlier run has put absorbs the same puts of this run, as multisets."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persistq.broker import absorb
from persistq.broker.absorb import Absorber, digest
from persistq.items import Item, item_id_of
from persistq.journal.base import Batch, QueueRow
from persistq.journal.sqlite import SqliteJournal, open_journal

VALUE = st.tuples(st.integers(0, 1), st.sampled_from([b"a", b"b", b"c"]))
VALUES = st.lists(VALUE, max_size=12)
Values = list[tuple[int, bytes]]


class Bench:
    """A journal whose queues are used once each."""

    def __init__(self, journal: SqliteJournal) -> None:
        self.journal = journal
        self.load_id = journal.begin_load("queue").load_id
        self.position = 0

    def queue(self) -> QueueRow:
        """Return a new, empty queue."""
        self.position += 1
        return self.journal.add_queue(self.load_id, self.position, f"queue {self.position}")

    def put(self, row: QueueRow, values: Values) -> tuple[int, int]:
        """Journal values; return the bounds of their ids."""
        after = item_id_of(row.queue_id, row.put)
        items = [Item(after + n, *value) for n, value in enumerate(values, 1)]
        row.next_n += len(values)
        if values:
            self.journal.commit(Batch(puts=items, queues={row.queue_id: row}))
        return after, after + len(values)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One journal for the module; each example takes a queue of its own."""
    journal = open_journal(Path(tmp_path_factory.mktemp("absorb")) / "work.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(absorb, "PAGE", 3)
        yield Bench(journal)
    journal.close()


def admitted(absorber: Absorber, values: Values) -> Values:
    """Return what is new of these puts."""
    codecs, payloads = absorber.admit(
        bytes(codec for codec, _ in values), [payload for _, payload in values]
    )
    return [*zip(codecs, payloads, strict=True)]


def new_by_model(left: Counter[tuple[int, bytes]], values: Values) -> Values:
    """Return what is new, by counting."""
    new = []
    for value in values:
        if left[value]:
            left[value] -= 1
        else:
            new.append(value)
    return new


@given(earlier=VALUES, chunks=st.lists(VALUES, max_size=5))
@settings(deadline=None, max_examples=150)
def test_absorption_counts_equal_values(
    bench: Bench, earlier: Values, chunks: list[Values]
) -> None:
    """Whatever is put in whatever order and portions, exactly the surplus is new."""
    row, left = bench.queue(), Counter(earlier)
    absorber = Absorber(bench.journal, row.queue_id)
    absorber.expect(*bench.put(row, earlier))
    for chunk in chunks:
        assert admitted(absorber, chunk) == new_by_model(left, chunk)
    assert bool(absorber) is bool(left.total())


@given(
    portions=st.lists(st.tuples(VALUES, st.booleans(), VALUES), min_size=1, max_size=5),
)
@settings(deadline=None, max_examples=150)
def test_ranges_may_be_added_while_puts_come(
    bench: Bench, portions: list[tuple[Values, bool, Values]]
) -> None:
    """Only ranges whose program has died absorb; they may be added at any time."""
    row, left = bench.queue(), Counter[tuple[int, bytes]]()
    absorber = Absorber(bench.journal, row.queue_id)
    for written, dead, repeated in portions:
        bounds = bench.put(row, written)
        if dead:
            absorber.expect(*bounds)
            left += Counter(written)
        assert admitted(absorber, repeated) == new_by_model(left, repeated)


@given(earlier=st.lists(VALUE, min_size=1, max_size=20), cut=st.integers(0, 20), seed=st.integers())
@settings(deadline=None)
def test_program_that_turns_from_its_order_is_followed(
    bench: Bench, earlier: Values, cut: int, seed: int
) -> None:
    """In step first, then in any other order: nothing is new, and nothing is left."""
    row = bench.queue()
    absorber = Absorber(bench.journal, row.queue_id)
    absorber.expect(*bench.put(row, earlier))
    rest = earlier[cut:]
    random.Random(seed).shuffle(rest)
    assert admitted(absorber, earlier[:cut]) == []
    assert admitted(absorber, rest) == []
    assert not absorber
    assert admitted(absorber, earlier) == earlier


def test_repetition_in_order_needs_no_index(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as puts come in the order of the log, nothing is written."""
    row, values = bench.queue(), [(0, bytes([n])) for n in range(10)]
    absorber = Absorber(bench.journal, row.queue_id)
    absorber.expect(*bench.put(row, values))
    monkeypatch.delattr(SqliteJournal, "add_digests")
    assert admitted(absorber, values[:4]) == []
    assert admitted(absorber, values[4:]) == []
    assert not absorber


def test_index_of_an_earlier_run_does_not_count(bench: Bench) -> None:
    """Absorption is scratch: a new absorber starts from the whole log."""
    row = bench.queue()
    bounds = bench.put(row, [(0, b"a"), (0, b"b")])
    for _ in range(2):
        absorber = Absorber(bench.journal, row.queue_id)
        absorber.expect(*bounds)
        assert admitted(absorber, [(0, b"b"), (0, b"b")]) == [(0, b"b")]


def test_empty_range_expects_nothing(bench: Bench) -> None:
    """A program that put nothing absorbs nothing."""
    absorber = Absorber(bench.journal, 1)
    absorber.expect(5, 5)
    assert not absorber
    assert admitted(absorber, [(0, b"a")]) == [(0, b"a")]


def test_digest_tells_codecs_apart() -> None:
    """The same bytes under another codec are another value."""
    assert len({digest(0, b"1"), digest(1, b"1"), digest(0, b"2"), digest(0, b"")}) == 4
