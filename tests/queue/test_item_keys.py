"""`PersistentQueue.key` names an item everywhere, and is the same whoever gets it, and when."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from multiprocessing.context import BaseContext
from typing import Any

import pytest

Any_ = Callable[..., Any]

PUT = """
import json, sys
from persistq import PersistentQueue
queue = PersistentQueue("work")
queue.put_many(json.loads(sys.argv[1]))
queue.flush()
"""


def test_the_key_is_that_of_the_item_that_task_done_would_finish(open_queue: Any_) -> None:
    """The one that was got first, or the one that is named."""
    queue = open_queue()
    queue.put_many(["a", "b", "c"])
    got = [queue.get() for _ in range(3)]
    keys = [queue.key(item) for item in got]
    assert len(set(keys)) == 3
    assert all(re.fullmatch("[0-9a-f]{32}-[0-9]+", key) for key in keys)
    assert queue.key() == keys[0]
    queue.task_done("b")
    assert queue.key() == keys[0]
    queue.task_done()
    assert queue.key() == keys[2]


def test_without_an_item_in_hand_there_is_no_key(open_queue: Any_) -> None:
    """Asking too early, too late or for something else is an error in the program."""
    queue = open_queue()
    queue.put("a")
    with pytest.raises(ValueError, match="no such item unfinished"):
        queue.key()
    queue.get()
    with pytest.raises(ValueError, match="no such item unfinished"):
        queue.key("b")
    queue.task_done()
    with pytest.raises(ValueError, match="no such item unfinished"):
        queue.key()


def test_who_gets_the_item_of_a_dead_process_gets_its_key(
    open_queue: Any_, actor: Any_, any_context: BaseContext
) -> None:
    """The key belongs to the item, not to the process."""
    queue = open_queue()
    queue.put("a")
    first, second = actor(queue, context=any_context), actor(queue, context=any_context)
    assert first.ask("get") == "a"
    key = first.ask("key")
    first.kill()
    assert second.ask("get") == "a"
    assert second.ask("key") == key


def test_what_a_program_puts_again_keeps_its_first_key(open_queue: Any_, run_script: Any_) -> None:
    """Absorbed items are those of the run that put them; what is new is of the present run."""
    for items in (["a", "b"], ["a", "b", "c"]):
        assert run_script(PUT, json.dumps(items)).returncode == 0
    queue = open_queue()
    queue.put_many(["a", "b", "c", "d"])
    queue.flush()
    runs = [queue.key(queue.get()).partition("-")[0] for _ in range(4)]
    assert runs[0] == runs[1]
    assert len(set(runs)) == 3


def test_a_program_that_joins_puts_for_the_same_run(open_queue: Any_, run_script: Any_) -> None:
    """One broker counts for all who are there, so their items differ by their ids."""
    queue = open_queue()
    queue.put("a")
    queue.flush()
    assert run_script(PUT, json.dumps(["a", "b"])).returncode == 0
    keys = [queue.key(queue.get()) for _ in range(3)]
    assert len({key.partition("-")[0] for key in keys}) == 1
    assert len(set(keys)) == 3


def test_a_queue_that_lives_for_years_tells_little(open_queue: Any_) -> None:
    """Of the runs whose items are all done, a consumer hears nothing."""
    for number in range(3):
        queue = open_queue()
        queue.put(number)
        assert queue.get() == number
        queue.task_done()
        queue.release()
    queue = open_queue()
    queue.put(3)
    queue.get()
    assert len(queue._presence.consumer.keys._runs) == 1
    assert queue.key()
