"""What an earlier run has put absorbs the same puts of this run, as multisets."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persistq.blocks import Block, Slice, block_of, blocks_of, whole
from persistq.broker import absorb
from persistq.broker.absorb import Absorber, digest

PICKLE = 1
VALUE = st.sampled_from([b"1", b"12", b"2", b'"a,1"', b'"a"', b"[1,2]", b"1.5"])
VALUES = st.lists(VALUE, max_size=12)
Values = list[bytes]


class Log:
    """Stands for the put-log of a journal.

    Attributes:
        slices: All that was put, in order.
    """

    def __init__(self) -> None:
        self.slices: list[Slice] = []

    def put(self, blocks: Iterable[Block]) -> tuple[int, int]:
        """Journal blocks; return the bounds of their ids."""
        after = self.last
        for block in blocks:
            self.slices.append(whole(self.last + 1, block))
        return after, self.last

    @property
    def last(self) -> int:
        """The last id."""
        return self.slices[-1].ids.last if self.slices else 0

    def put_page(self, after: int, last: int, limit: int, bytes_max: int) -> list[Slice]:
        """Return some of it: pages may begin and end within a block."""
        last = min(last, after + limit)
        found = [part for part in self.slices if part.ids.last > after and part.ids.first <= last]
        return [
            part.within(max(after + 1, part.ids.first), min(last, part.ids.last)) for part in found
        ]


class Counts:
    """Stands for `persistq.journal.digests.Digests`."""

    opened = 0

    def __init__(self) -> None:
        Counts.opened += 1
        self._counts: Counter[bytes] = Counter()

    def add(self, digests: Iterable[bytes]) -> None:
        """Count each once more."""
        self._counts.update(digests)

    def take(self, digests: Sequence[bytes]) -> list[bool]:
        """Take one count off for each in turn."""
        return [self._take(one) for one in digests]

    def _take(self, one: bytes) -> bool:
        there = self._counts[one] > 0
        self._counts[one] -= there
        return there

    def close(self) -> None:
        """Forget them."""
        Counts.opened -= 1


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pages end anywhere."""
    monkeypatch.setattr(absorb, "PAGE", 3)
    Counts.opened = 0


@st.composite
def cut(draw: st.DrawFn, values: st.SearchStrategy[Values] = VALUES) -> list[Block]:
    """Return values in blocks of any sizes and codecs; pickles are the same bytes here."""
    blocks, left = list[Block](), draw(values)
    while left:
        size = draw(st.integers(1, len(left)))
        blocks.append(block_of(draw(st.sampled_from([0, 0, 0, PICKLE, 2])), left[:size]))
        left = left[size:]
    return blocks


def recut(blocks: list[Block], seed: int) -> list[Block]:
    """Return the same items in blocks of other sizes."""
    chance = random.Random(seed)
    found = list[Block]()
    for codec, payload in items_of(blocks):
        if found and found[-1].codec == codec and chance.random() < 0.6:
            found[-1] = block_of(codec, [*found[-1].payloads(), payload])
        else:
            found.append(block_of(codec, [payload]))
    return found


def items_of(blocks: Iterable[Block]) -> list[tuple[int, bytes]]:
    """Return codec and payload of each item."""
    return [(block.codec, payload) for block in blocks for payload in block.payloads()]


def new_absorber(log: Any) -> Absorber:
    """Return an absorber that expects nothing yet."""
    return Absorber(log, Counts)  # type: ignore[arg-type]


def new_by_model(
    left: Counter[tuple[int, bytes]], items: list[tuple[int, bytes]]
) -> list[tuple[int, bytes]]:
    """Return what is new, by counting."""
    new = []
    for item in items:
        if left[item]:
            left[item] -= 1
        else:
            new.append(item)
    return new


@given(earlier=cut(), chunks=st.lists(cut(), max_size=5))
@settings(deadline=None, max_examples=400)
def test_absorption_counts_equal_values(earlier: list[Block], chunks: list[list[Block]]) -> None:
    """Whatever is put in whatever order and blocks, exactly the surplus is new."""
    log, left = Log(), Counter(items_of(earlier))
    absorber = new_absorber(log)
    absorber.expect(*log.put(earlier))
    for chunk in chunks:
        assert items_of(absorber.admit(chunk)) == new_by_model(left, items_of(chunk))
    assert bool(absorber) is bool(left.total())


@given(portions=st.lists(st.tuples(cut(), st.booleans(), cut()), min_size=1, max_size=5))
@settings(deadline=None, max_examples=300)
def test_ranges_may_be_added_while_puts_come(
    portions: list[tuple[list[Block], bool, list[Block]]],
) -> None:
    """Only ranges whose program has died absorb; they may be added at any time."""
    log, left = Log(), Counter[tuple[int, bytes]]()
    absorber = new_absorber(log)
    for written, dead, repeated in portions:
        bounds = log.put(written)
        if dead:
            absorber.expect(*bounds)
            left += Counter(items_of(written))
        assert items_of(absorber.admit(repeated)) == new_by_model(left, items_of(repeated))


@given(earlier=cut(), more=cut(), seed=st.integers(), swap=st.booleans())
@settings(deadline=None, max_examples=300)
def test_repetition_in_order_needs_no_index(
    earlier: list[Block], more: list[Block], seed: int, swap: bool
) -> None:
    """As long as puts come in the order of the log, however they are cut, nothing is written."""
    log = Log()
    absorber = new_absorber(log)
    absorber.expect(*log.put(earlier))
    again = recut(earlier, seed)
    assert absorber.admit(again) == []
    assert not absorber
    assert absorber.admit(more) == more
    assert Counts.opened == 0


@given(earlier=cut(), at=st.integers(0, 20), seed=st.integers())
@settings(deadline=None)
def test_program_that_turns_from_its_order_is_followed(
    earlier: list[Block], at: int, seed: int
) -> None:
    """In step first, then in any other order: nothing is new, and nothing is left."""
    log = Log()
    absorber = new_absorber(log)
    absorber.expect(*log.put(earlier))
    items = items_of(earlier)
    rest = items[at:]
    random.Random(seed).shuffle(rest)
    for part in (items[:at], rest):
        codecs, payloads = [codec for codec, _ in part], [payload for _, payload in part]
        assert absorber.admit(blocks_of(codecs, payloads)) == []
    assert not absorber
    assert Counts.opened == 0, "an index that is used up is given back"
    assert absorber.admit(earlier) == earlier


def test_blocks_are_passed_on_as_they_came_or_made_anew() -> None:
    """What is new as a whole is the very block; of what is absorbed in part, the rest is one."""
    log, known, new = Log(), block_of(0, [b"1", b"2"]), block_of(0, [b"3", b"4"])
    absorber = new_absorber(log)
    absorber.expect(*log.put([known, known]))
    [passed] = absorber.admit([known, new])
    assert passed is new
    assert absorber.admit([block_of(0, [b"5", b"2", b"6"])]) == [block_of(0, [b"5", b"6"])]


def test_items_are_not_taken_for_the_beginnings_of_others() -> None:
    """1 begins 12, and the text "a,1" contains what stands between items."""
    log = Log()
    absorber = new_absorber(log)
    absorber.expect(*log.put([block_of(0, [b"12", b'"a,1"'])]))
    for values in ([b"1"], [b"1", b"2"], [b"12,", b"3"], [b"12", b'"a']):
        assert not absorber._follow(block_of(0, values))
    assert absorber.admit([block_of(0, [b"12"])]) == []
    assert absorber.admit([block_of(0, [b'"a,1"'])]) == []


@pytest.mark.parametrize("codec", [0, PICKLE])
@pytest.mark.parametrize("sizes", [(40, 40), (40, 7), (7, 40), (1, 40), (40, 1), (15, 16)])
def test_long_and_short_arrays_are_the_same_bytes_one_after_the_other(
    codec: int, sizes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many bytes stand before the first element."""
    monkeypatch.setattr(absorb, "PAGE", 1_000)
    log, values = Log(), [b"%d" % n * (n + 1) for n in range(120)]
    first, again = (
        [block_of(codec, values[n : n + size]) for n in range(0, 120, size)] for size in sizes
    )
    absorber = new_absorber(log)
    absorber.expect(*log.put(first))
    for block in again:
        assert absorber._follow(block)
    assert not absorber


def test_what_is_damaged_absorbs_nothing_and_ends_nothing() -> None:
    """In the log or in what is put: the other items around it are absorbed."""
    log = Log()
    good, bad = block_of(0, [b"1", b"2"]), block_of(0, [b"3", b"4"])._replace(crc=7)
    absorber = new_absorber(log)
    absorber.expect(*log.put([good, bad._replace(data=b"[3,5]"), good]))
    assert absorber.admit([good]) == []
    odd = block_of(0, [b"9", b"8"])._replace(count=3)
    assert absorber.admit([odd]) == [odd]
    assert absorber.admit([block_of(0, [b"3", b"4"])]) == [block_of(0, [b"3", b"4"])]
    assert absorber.admit([good]) == []
    assert not absorber


def test_a_block_that_lies_about_its_items_is_no_match() -> None:
    """Its bytes are there, and so many items are not."""
    log, true = Log(), block_of(0, [b"1", b"2"])
    absorber = new_absorber(log)
    absorber.expect(*log.put([true]))
    for lie in (true._replace(count=1), true._replace(count=3)):
        assert absorber.admit([lie]) == [lie]
    assert absorber.admit([true]) == []


def test_empty_range_expects_nothing() -> None:
    """A program that put nothing absorbs nothing."""
    absorber = new_absorber(Log())
    absorber.expect(5, 5)
    assert not absorber
    block = block_of(0, [b"1"])
    assert absorber.admit([block]) == [block]


def test_digest_tells_codecs_apart() -> None:
    """The same bytes under another codec are another value."""
    assert len({digest(0, b"1"), digest(1, b"1"), digest(0, b"2"), digest(0, b"")}) == 4


def test_what_is_new_in_a_block_stays_on_its_terms() -> None:
    """It has the same place in an order, and waits as long."""
    log = Log()
    bounds = log.put([block_of(PICKLE, [b"1"])])
    absorber = new_absorber(log)
    absorber.expect(*bounds)
    [new] = absorber.admit([block_of(PICKLE, [b"1", b"2"])._replace(rank=7, due=9)])
    assert (new.payloads(), new.rank, new.due) == ([b"2"], 7, 9)
