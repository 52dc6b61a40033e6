"""Items that are put on a queue to wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from persistq import DONE, UsageError


@pytest.mark.parametrize("maxsize", [0, 3])
def test_an_item_waits_and_the_others_do_not(open_queue: Callable[..., Any], maxsize: int) -> None:
    """Also in a bounded queue, and after it was closed: it is no end while something waits."""
    queue = open_queue(maxsize=maxsize)
    began = time.monotonic()
    queue.put("late", delay="200ms")
    queue.put("now", delay=0)
    queue.close()
    assert queue.get() == "now"
    assert queue.get() == "late"
    assert time.monotonic() - began >= 0.2 - 0.01
    for _ in range(2):
        queue.task_done()
    assert queue.get() is DONE


def test_a_delay_that_is_no_time_is_refused(open_queue: Callable[..., Any]) -> None:
    """And nothing is put."""
    queue = open_queue()
    for delay in ("soon", -1, float("nan"), "9d"):
        with pytest.raises(UsageError, match=r"put\(delay\)="):
            queue.put("item", delay=delay)
    assert queue.qsize() == 0
