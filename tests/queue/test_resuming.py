"""The same script is started again after a crash: nothing is lost, doubled or repeated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from actors import iterate

from persistq.journal.load import LoadState
from persistq.journal.sqlite_reader import SqliteReader

Any_ = Callable[..., Any]

SCRIPT = """
import json, os, signal, sys
from persistq import PersistentQueue

order = json.loads(sys.argv[1])

def die():
    os.killpg(0, signal.SIGKILL)

with open("seen", "a") as seen:
    queue = PersistentQueue("work", fresh=order.get("fresh", False))
    for n, item in enumerate(order["items"], 1):
        queue.put(item)
        if n == order.get("put"):
            queue.flush()
            die()
    if order.get("close", True):
        queue.close()
    for n, item in enumerate(queue, 1):
        print(json.dumps(item), file=seen, flush=True)
        queue.task_done()
        if n == order.get("done"):
            queue.flush()
            die()
"""


class Program:
    """The script, run again and again in one directory."""

    def __init__(self, run: Any_, directory: Path) -> None:
        self._run = run
        self._directory = directory

    def crash(self, items: list[Any], failpoint: str = "", **order: Any) -> None:
        """Run it to its sudden end."""
        done = self._run(
            SCRIPT, json.dumps({"items": items, **order}), PERSISTQ_FAILPOINT=failpoint
        )
        assert done.returncode in {3, -signal.SIGKILL}, done.stderr
        assert done.returncode == -signal.SIGKILL or "the broker of" in done.stderr

    def finish(self, items: list[Any], **order: Any) -> None:
        """Run it to its proper end."""
        done = self._run(SCRIPT, json.dumps({"items": items, **order}))
        assert done.returncode == 0, done.stderr

    @property
    def seen(self) -> Counter[Any]:
        """What was worked on, in all runs."""
        return Counter(map(json.loads, (self._directory / "seen").read_text().splitlines()))

    def settled(self) -> int:
        """Return how many items were ever put on the latest load, which is settled."""
        with SqliteReader(self._directory / ".persistq" / "work.db") as reader:
            view = reader.view()
        assert view.load is not None
        assert view.load.state is LoadState.SETTLED
        return view.queues[0].put


@pytest.fixture
def program(run_script: Any_, tmp_path: Path) -> Program:
    """The script."""
    return Program(run_script, tmp_path)


ITEMS = list(range(8))


@pytest.mark.parametrize("failpoint", ["broker.before_commit", "broker.after_commit"])
@pytest.mark.parametrize("nth", [1, 2, 4, 7])
def test_broker_killed_at_a_commit_doubles_nothing(
    program: Program, failpoint: str, nth: int
) -> None:
    """Whatever the journal had at that instant, the load ends with each item once."""
    program.crash(ITEMS, failpoint=f"{failpoint}@{nth}:kill")
    program.finish(ITEMS)
    assert program.settled() == len(ITEMS)
    assert set(program.seen) == set(ITEMS)


def test_crash_while_putting_continues_where_it_was(program: Program) -> None:
    """An unsealed load absorbs what was put and takes the rest."""
    program.crash(ITEMS, put=5)
    program.finish(ITEMS)
    assert program.settled() == len(ITEMS)
    assert program.seen == Counter(ITEMS)


def test_crash_while_working_repeats_nothing_that_was_flushed(program: Program) -> None:
    """A sealed load goes on with what is outstanding."""
    program.crash(ITEMS, done=5)
    program.finish(ITEMS)
    assert program.settled() == len(ITEMS)
    assert program.seen == Counter(ITEMS)


def test_crash_of_the_resumed_run_loses_nothing(program: Program) -> None:
    """Two crashes in a row, while putting and while working, and a third."""
    program.crash(ITEMS, put=3)
    program.crash(ITEMS, put=6)
    program.crash(ITEMS, done=2)
    program.crash(ITEMS, failpoint="broker.before_commit@2:kill")
    program.finish(ITEMS)
    assert program.settled() == len(ITEMS)
    assert set(program.seen) == set(ITEMS)


def test_equal_items_are_counted_not_merged(program: Program) -> None:
    """The same value put twice before absorbs two, and a third is new."""
    program.crash(["a", "a", "b"], done=1)
    program.finish(["a", "a", "b", "a"])
    assert program.settled() == 4
    assert program.seen == Counter({"a": 3, "b": 1})


def test_items_in_another_order_are_absorbed(program: Program) -> None:
    """A source without an order of its own does not double its items."""
    program.crash(["a", "b", "c", "c", "d"], done=2)
    program.finish(["d", "c", "b", "c", "a"])
    assert program.settled() == 5
    assert program.seen == Counter({"a": 1, "b": 1, "c": 2, "d": 1})


def test_new_items_among_old_ones_are_put(program: Program) -> None:
    """What a second look at the source has found since is added, at any place."""
    program.crash(["a", "c"], put=2)
    program.finish(["new", "a", "b", "c", "newer"])
    assert program.settled() == 5
    assert program.seen == Counter(["new", "a", "b", "c", "newer"])


def test_items_that_no_longer_exist_are_still_done(program: Program) -> None:
    """What was put is a promise, even if the source has forgotten it."""
    program.crash(["gone", "a"], put=2)
    program.finish(["a"])
    assert program.settled() == 2
    assert program.seen == Counter(["gone", "a"])


def test_equal_looking_items_are_not_mixed_up(program: Program) -> None:
    """1, 1.0, True and "1" are four items."""
    program.crash([1, 1.0], put=2)
    program.finish([True, "1", 1.0, 1])
    assert program.settled() == 4


def test_settled_load_is_not_repeated_by_accident(program: Program) -> None:
    """After DONE the same script begins a new load, on purpose."""
    program.finish(["a"])
    program.finish(["a"])
    assert program.seen == Counter({"a": 2})


def test_fresh_abandons_the_old_load(program: Program, journal_dir: Path) -> None:
    """What was outstanding stays on record and is not handed out."""
    program.crash(["old"], put=1)
    program.finish(["new"], fresh=True)
    assert program.settled() == 1
    assert program.seen == Counter(["new"])
    with SqliteReader(journal_dir / "work.db") as reader:
        assert [load.state for load in reader.loads()] == ["abandoned", "settled"]


def test_leaving_without_closing_leaves_the_load_open(open_queue: Any_, program: Program) -> None:
    """Without a seal the load is not settled, however empty the queue is."""
    program.crash(["a"], put=1)
    queue = open_queue()
    assert queue.carried_on
    assert queue.get() == "a"
    queue.task_done()
    queue.release()
    program.finish(["a", "b"])
    assert program.settled() == 2
    assert program.seen == Counter(["b"])


def test_dead_program_started_again_beside_a_living_one(open_queue: Any_, program: Program) -> None:
    """While another program keeps the load open, a killed one repeats and doubles nothing."""
    queue = open_queue()
    queue.put("mine")
    queue.flush()
    Path("script.py").write_text(SCRIPT, encoding="utf-8")
    order = json.dumps({"items": ["theirs", "mine"], "put": 2})
    for attempt in range(2):
        done = subprocess.run(
            [sys.executable, "script.py", order],
            start_new_session=True,
            timeout=50,
            capture_output=True,
            check=False,
            env=os.environ,
        )
        assert done.returncode == -signal.SIGKILL, (attempt, done.stderr)
    queue.close()
    assert sorted(iterate(queue)) == ["mine", "mine", "theirs"]


def test_absorption_works_far_beyond_a_page(open_queue: Any_) -> None:
    """Thousands of items are compared in step first, by digest after the first difference."""
    queue = open_queue()
    queue.put_many(range(7_000))
    queue.flush()
    queue.release()
    again = open_queue()
    again.put_many([*range(3_000), "new", *range(6_999, 2_999, -1), 5])
    again.close()
    assert Counter(iterate(again)) == Counter([*range(7_000), "new", 5])
