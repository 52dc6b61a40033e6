"""`get_many` and `task_done_many`: several items at a time from a plain queue."""

from __future__ import annotations

import queue as queues
import threading
from typing import Any

import pytest

from persistq import DONE, PersistentQueue


@pytest.fixture
def queue(open_queue: Any) -> PersistentQueue[int]:
    """A queue of this process."""
    opened: PersistentQueue[int] = open_queue()
    return opened


def test_many_come_at_a_time_and_are_finished_together(queue: PersistentQueue[int]) -> None:
    """All that there are, when no more will come."""
    queue.put_many(range(25))
    queue.close()
    sizes = []
    while isinstance(rows := queue.get_many(10), list):
        sizes.append(len(rows))
        queue.task_done_many(rows)
    assert rows is DONE
    assert sizes == [10, 10, 5]
    queue.join(check=True)


def test_what_has_come_is_returned_when_time_is_up(queue: PersistentQueue[int]) -> None:
    """Nothing is an error, as for `get`."""
    queue.put_many([1, 2])
    assert queue.get_many(10, timeout=0.05) == [1, 2]
    with pytest.raises(queues.Empty):
        queue.get_many(10, timeout=0.01)
    queue.task_done_many([2, 1])
    queue.close()
    assert queue.get_many(10) is DONE


def test_many_are_waited_for(queue: PersistentQueue[int]) -> None:
    """Without a limit, until there are as many as were asked for."""
    queue.put(1)
    late = threading.Timer(0.05, queue.put_many, [[2, 3, 4]])
    late.start()
    assert queue.get_many(3) == [1, 2, 3]
    late.join()


def test_what_was_not_got_cannot_be_finished(queue: PersistentQueue[int]) -> None:
    """Those before it are."""
    queue.put_many([1, 2])
    queue.flush()
    assert queue.get_many(2) == [1, 2]
    with pytest.raises(ValueError, match="too many times"):
        queue.task_done_many([1, 7, 2])
    assert list(queue.outstanding()) in ([2], [1, 2])
    queue.task_done(2)
    queue.close()
    queue.join(check=True)


def test_fewer_than_one_is_refused(queue: PersistentQueue[int]) -> None:
    """It would wait for nothing."""
    with pytest.raises(ValueError, match="positive"):
        queue.get_many(0)
