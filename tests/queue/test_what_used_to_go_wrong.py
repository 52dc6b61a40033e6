"""What a queue of text journals and feeder threads could not do, from the outside."""

from __future__ import annotations

import collections
import datetime as dt
import enum
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from actors import iterate

from persistq.journal.outstanding import JournalReader

Any_ = Callable[..., Any]
Pair = collections.namedtuple("Pair", "key value")


class Colour(enum.IntEnum):
    """Equal to a number, and yet another type."""

    RED = 0


AWKWARD = [
    "a\nb",
    "a\r\nb",
    "a\tb",
    " leading and trailing ",
    "",
    "\0",
    ("a", ""),
    ("only",),
    (),
    ("k", 3),
    Pair("k", 3),
    Colour.RED,
    dt.date(2024, 2, 29),
    "Grüße \N{SNOWMAN} \U0001f600",
    "lone \udc80 surrogate",
    b"bytes \xff",
    {"unhashable": [1]},
    {1: "key is a number"},
    2**200,
    True,
]


def test_awkward_values_survive_a_restart(open_queue: Any_) -> None:
    """Line ends, tabs, blanks, empty texts and tuples come back with equal type and value."""
    queue = open_queue()
    queue.put_many(AWKWARD)
    queue.flush()
    queue.release()
    again = open_queue()
    again.put_many(AWKWARD)
    again.close()
    got = iterate(again)
    assert got == AWKWARD
    assert [type(item) for item in got] == [type(item) for item in AWKWARD]


UNICODE = """
import sys
from persistq import PersistentQueue
queue = PersistentQueue("work")
queue.put_many(["Gr\\u00fc\\u00dfe", "\\u2603", "\\udc80"])
queue.close()
print([ascii(item) for item in queue if queue.task_done() is None])
"""


def test_unicode_works_in_the_c_locale(run_script: Any_) -> None:
    """No text file is written in the locale's encoding."""
    done = run_script(UNICODE, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0, done.stderr
    assert eval(done.stdout) == [ascii("Grüße"), ascii("☃"), ascii("\udc80")]


MUCH = """
from persistq import PersistentQueue
queue = PersistentQueue("work")
queue.put_many("x" * 10_000 for _ in range(1_000))
queue.{ending}
"""


@pytest.mark.parametrize("ending", ["flush()", "fail()", "cancel_join_thread()", "close()"])
def test_producer_of_much_work_exits_without_consumers(
    run_script: Any_, journal_dir: Path, ending: str
) -> None:
    """Nothing that is put waits for somebody to read."""
    done = run_script(MUCH.format(ending=ending))
    assert done.returncode == 0, done.stderr
    with JournalReader(journal_dir / "work.db") as reader:
        assert reader.view().outstanding == 1_000


def test_first_close_of_two_producers_loses_nothing(open_queue: Any_, actor: Any_) -> None:
    """What the other producer put before the seal is worked on."""
    queue = open_queue()
    producers = [actor(queue), actor(queue)]
    for number, producer in enumerate(producers):
        producer.ask("put", number)
    producers[0].ask("close")
    producers[0].dismiss()
    assert sorted(iterate(queue)) == [0, 1]


def test_same_process_id_does_not_erase_a_journal(open_queue: Any_) -> None:
    """A run with the pid of the run before, as in a container, finds all that was put."""
    for number in range(3):
        queue = open_queue()
        queue.put(f"item {number}")
        queue.flush()
        queue.fail()
        queue.release()
    last = open_queue()
    assert [*last.outstanding()] == ["item 0", "item 1", "item 2"]


def test_crash_between_opening_and_first_get_loses_nothing(
    open_queue: Any_, kill_broker: Any_
) -> None:
    """Carrying on writes nothing that could be half done: any number of runs may die there."""
    queue = open_queue()
    queue.put_many(["a", "a", "b"])
    queue.flush()
    for _ in range(3):
        kill_broker(queue)
        queue.release()
        queue = open_queue()
    queue.close()
    assert iterate(queue) == ["a", "a", "b"]


def test_value_put_again_later_is_a_new_item(open_queue: Any_) -> None:
    """Absorbing an equal earlier put uses it up."""
    queue = open_queue()
    queue.put("a")
    queue.flush()
    queue.release()
    again = open_queue()
    for _ in range(3):
        again.put("a")
    again.close()
    assert iterate(again) == ["a", "a", "a"]


def test_torn_journal_has_no_phantom_items(open_queue: Any_, run_script: Any_) -> None:
    """A broker killed in its commit leaves whole transactions only."""
    text = (
        "from persistq import PersistentQueue\n"
        "queue = PersistentQueue('work')\n"
        "for n in range(1000): queue.put(f'file_{n:04}'); queue.flush()\n"
    )
    done = run_script(text, PERSISTQ_FAILPOINT="broker.before_commit@20:kill")
    assert "the broker of 'work' is gone" in done.stderr
    queue = open_queue()
    items = [*queue.outstanding()]
    assert items == [f"file_{n:04}" for n in range(len(items))]
    assert len(items) == 19


def test_killed_program_does_not_stop_the_next_start(run_script: Any_, open_queue: Any_) -> None:
    """No lock, pid or address file of a dead run has to be deleted."""
    text = (
        "import os, signal\n"
        "from persistq import PersistentQueue\n"
        "queue = PersistentQueue('work')\n"
        "queue.put(1); queue.flush()\n"
        "os.killpg(0, signal.SIGKILL)\n"
    )
    assert run_script(text).returncode == -signal.SIGKILL
    queue = open_queue()
    assert queue.get() == 1
    queue.task_done()
