"""What a consumer has in hand and has not reported: nothing is lost between threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from persistq.blocks import Origin, Slice, block_of, whole
from persistq.client.outputs import Encoded
from persistq.client.report import Report
from persistq.client.window import Window
from persistq.codec import UNREADABLE, VALUE, Codec, ItemCodec
from persistq.items import IdRange
from persistq.wire.messages import Items


def piece(first: int, last: int, start: int = 0, stop: int | None = None) -> Slice:
    """Return items with these ids, whose values are their ids, or a slice of them."""
    (block,) = ItemCodec().encode_many(range(first, last + 1))
    return Slice(first, block, start, block.count if stop is None else stop)


def handed(*slices: Slice, attempts: dict[int, int] | None = None) -> Items:
    """Return a window of items as the broker hands it out."""
    return Items([*slices], attempts or {})


class Busy(list[Any]):
    """A list to which another thread appends at the instant in which it is copied."""

    def __init__(self, values: list[Any], late: Any) -> None:
        super().__init__(values)
        self._late = [late]

    def __getitem__(self, key: Any) -> Any:
        copied = super().__getitem__(key)
        self.extend(self._late)
        self._late = []
        return copied


def test_what_is_finished_during_a_report_is_in_the_next_one() -> None:
    """A thread that adds takes no lock, so it may come between any two steps of a report."""
    report = Report(interval=1)
    report._item_ids, report._seconds = Busy([1, 2], 3), Busy([0.5, 0.25], 4.0)
    first, second = report.take(), report.take()
    assert (first.item_ids, first.busy) == ([1, 2], 0.75)
    assert (second.item_ids, second.busy) == ([3], 4.0)
    assert report.take().item_ids == []


def test_what_was_made_goes_with_its_item() -> None:
    """Not with the report that happens to be taken next."""
    report = Report(interval=1)
    made: list[Encoded] = [(0, b"1")]
    report.add(1, 0.0)
    report.add(2, 0.0, made)
    assert report.take().made == {2: made}
    report._made[3] = made  # of an item that is just about to be added
    assert report.take().made == {}
    report.add(3, 0.0, made)
    assert report.take().made == {3: made}


def test_a_report_names_ranges_and_what_was_made_for_each_queue_that_gets_it() -> None:
    """In whichever order the items were finished."""
    report = Report(interval=1)
    for item_id in (7, 6, 9, 5):
        report.add(item_id, 0.25, [(0, b"%d" % item_id)] * (item_id < 8))
    done = report.take().told([2, 3])
    assert (done.ids, done.busy) == ([IdRange(5, 7), IdRange(9, 9)], 1.0)
    assert [outputs.queue_id for outputs in done.outputs] == [2, 3]
    for outputs in done.outputs:
        assert outputs.blocks == [block_of(0, [b"5", b"6", b"7"])]
        assert outputs.origins == [Origin(5, b"\1")]


def test_a_report_of_nothing_made_has_no_outputs() -> None:
    """Nor has that of a last stage, whatever it makes."""
    report = Report(interval=1)
    report.add(1, 0.0)
    assert report.take().told([2, 3]).outputs == []
    report.add(2, 0.0, [(0, b"1")])
    assert report.take().told([]).outputs == []


def test_threads_that_finish_and_report_lose_nothing() -> None:
    """Four of them add, and one takes as fast as it can."""
    report, over = Report(interval=1), threading.Event()
    reported: list[int] = []

    def add(first: int) -> None:
        for item_id in range(first, first + 5_000):
            report.add(item_id, 0.0)

    def take() -> None:
        while not over.is_set():
            reported.extend(report.take().item_ids)

    taker = threading.Thread(target=take)
    adders = [threading.Thread(target=add, args=(first * 5_000,)) for first in range(4)]
    for thread in (taker, *adders):
        thread.start()
    for thread in adders:
        thread.join(30)
    over.set()
    taker.join(30)
    reported += report.take().item_ids
    assert sorted(reported) == list(range(20_000))


@pytest.mark.parametrize(("size", "left"), [(1, -1), (2, 1), (9, 4)])
def test_more_is_asked_for_at_half_of_a_window(size: int, left: int) -> None:
    """And once only; never for items that are handed out one by one."""
    window = Window()
    assert window.add(handed(piece(1, size))) is (size > 1)
    assert window.ask_at == left
    assert window.note_asked() is (size > 1)
    assert not window.note_asked()


def test_slices_are_handed_on_item_by_item() -> None:
    """Each with its id, its own value and its own attempts, and no other item of its block."""
    window = Window()
    single = whole(90, block_of(Codec.JSON, [b'"alone"']))
    window.add(handed(piece(1, 9, 2, 5), single, piece(20, 21), attempts={4: 5, 90: 1}))
    assert window.ask_at == 3
    assert [*window.items] == [
        (3, VALUE, 3, 0),
        (4, VALUE, 4, 5),
        (5, VALUE, 5, 0),
        (90, Codec.JSON, b'"alone"', 1),
        (20, VALUE, 20, 0),
        (21, VALUE, 21, 0),
    ]


def test_items_of_a_damaged_block_come_all_the_same() -> None:
    """Somebody has to say what became of each of them, so none may be missing."""
    window, good = Window(), piece(1, 9, 2, 5)
    bad = good._replace(block=good.block._replace(crc=good.block.crc ^ 1))
    window.add(handed(bad, piece(20, 20)))
    assert [(item_id, codec) for item_id, codec, _, _ in window.items] == [
        (3, UNREADABLE),
        (4, UNREADABLE),
        (5, UNREADABLE),
        (20, Codec.JSON),
    ]


def test_what_nobody_got_is_taken_back() -> None:
    """Together with the request for more, which is told of once."""
    window = Window()
    window.add(handed(piece(1, 4), piece(7, 7), attempts={2: 5}))
    window.note_asked()
    assert window.items.popleft() == (1, VALUE, 1, 0)
    assert window.items[0] == (2, VALUE, 2, 5)
    assert window.taken == 1
    assert window.take_back() == ([IdRange(2, 4), IdRange(7, 7)], True)
    assert window.take_back() == ([], False)
