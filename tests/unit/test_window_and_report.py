"""What a consumer has in hand and has not reported: nothing is lost between threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from persistq.client.report import Report
from persistq.client.window import Window
from persistq.wire.messages import Items, Outputs


def handed(*item_ids: int, attempts: dict[int, int] | None = None) -> Items:
    """Return a window of items as the broker hands it out."""
    payloads = [str(item_id).encode() for item_id in item_ids]
    return Items(list(item_ids), bytes(len(item_ids)), payloads, attempts or {})


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


def test_outputs_go_with_their_item() -> None:
    """Not with the report that happens to be taken next."""
    report = Report(interval=1)
    outputs = [Outputs(7, b"\0", [b"1"])]
    report.add(1, 0.0, None)
    report.add(2, 0.0, outputs)
    assert report.take().outputs == {2: outputs}
    report._outputs[3] = outputs  # of an item that is just about to be added
    assert report.take().outputs == {}
    report.add(3, 0.0, outputs)
    assert report.take().outputs == {3: outputs}


def test_threads_that_finish_and_report_lose_nothing() -> None:
    """Four of them add, and one takes as fast as it can."""
    report, over = Report(interval=1), threading.Event()
    reported: list[int] = []

    def add(first: int) -> None:
        for item_id in range(first, first + 5_000):
            report.add(item_id, 0.0, None)

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
    assert window.add(handed(*range(1, size + 1))) is (size > 1)
    assert window.ask_at == left
    assert window.note_asked() is (size > 1)
    assert not window.note_asked()


def test_what_nobody_got_is_taken_back_in_order() -> None:
    """Together with the request for more, which is told of once."""
    window = Window()
    window.add(handed(1, 2, 3, 4, attempts={2: 5}))
    window.note_asked()
    assert window.items.popleft() == (1, 0, b"1", 0)
    assert window.items[0] == (2, 0, b"2", 5)
    assert window.taken == 1
    assert window.take_back() == ([2, 3, 4], True)
    assert window.take_back() == ([], False)
