"""``timeout=`` of a queue: who keeps an item for too long is killed, and nobody else."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from actors import iterate

from persistq import DONE, UsageError
from persistq.items import item_id_of
from persistq.testing import check_journal

Opener = Callable[..., Any]
Caster = Callable[..., Any]

LIMIT_S = 0.2
LONG_S = 600.0


class Sticky:
    """Never comes back from being unpickled."""

    def __reduce__(self) -> Any:
        return time.sleep, (LONG_S,)


def sleep(queue: Any) -> None:
    """Hang in Python."""
    time.sleep(LONG_S)


def pause(queue: Any) -> None:
    """Hang in C, with the interpreter locked."""
    ctypes.PyDLL(None).pause()


def ignore_sigterm(queue: Any) -> None:
    """Hang, and do not go."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(LONG_S)


def leave_at_sigterm(queue: Any) -> None:
    """Hang, and end in good order when told to."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    time.sleep(LONG_S)


def hang_beside_a_thread(queue: Any) -> Any:
    """Hang with the item of this thread, while another one gets and finishes the others."""
    first = queue.get()

    def work() -> None:
        for item in queue:
            queue.task_done(item)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return first


def note_nonsense(queue: Any, item_id: int, since: float) -> None:
    """Write into this process's slot what no client does."""
    queue._presence.consumer.hold(item_id, since)


def get_and_ask(queue: Any, seconds: float) -> None:
    """Get an item, and ask at once for more time."""
    queue.get()
    queue.extend(seconds)


def ask_for_nonsense(queue: Any, until: float) -> None:
    """Ask for a time that nobody may."""
    queue._presence.consumer._post.extend(until)


def get_elsewhere(queue: Any) -> Any:
    """Get in what says that it is another host."""
    os.environ["PERSISTQ_HOST"] = "elsewhere"
    return queue.get()


def rows(journal_dir: Any) -> list[Any]:
    """Return what is recorded of failed attempts: the item's number, kind, and process."""
    with sqlite3.connect(journal_dir / "work.db") as connection:
        found = connection.execute(
            "SELECT item_id & 0xFFFFFFFFFF, kind, pid FROM failure ORDER BY failure_id"
        )
        return found.fetchall()


def ended(victim: Any) -> int | None:
    """Wait until a process has ended, and return its exit code."""
    victim.process.join(30)
    code: int | None = victim.process.exitcode
    return code


@pytest.mark.parametrize("way", [sleep, pause])
def test_whoever_hangs_is_killed_and_the_item_handed_on(
    open_queue: Opener, actor: Caster, journal_dir: Any, way: Any
) -> None:
    """Counted like one that kills its process: twice, then it is parked; the others are done."""
    queue = open_queue(timeout=LIMIT_S)
    queue.put_many(["hangs", "fine"])
    queue.close()
    victims = [actor(queue) for _ in range(2)]
    for attempt, victim in enumerate(victims, 1):
        assert (victim.ask("get"), victim.ask("attempt")) == ("hangs", attempt)
        victim.tell(way)
        assert ended(victim) == -signal.SIGTERM
    assert actor(queue).ask(iterate) == ["fine"]
    assert rows(journal_dir) == [(1, "timeout", victim.pid) for victim in victims]


def test_who_ignores_sigterm_is_killed(open_queue: Opener, actor: Caster) -> None:
    """By SIGKILL, which nobody ignores."""
    queue = open_queue(timeout=LIMIT_S)
    queue.put("hangs")
    victim = actor(queue)
    victim.ask("get")
    victim.tell(ignore_sigterm)
    assert ended(victim) == -signal.SIGKILL
    assert actor(queue).ask("get") == "hangs"


def test_who_is_stopped_is_killed(open_queue: Opener, actor: Caster) -> None:
    """It cannot act on SIGTERM, and keeps its item no longer than others."""
    queue = open_queue(timeout=LIMIT_S)
    queue.put("kept")
    victim = actor(queue)
    victim.ask("get")
    os.kill(victim.pid, signal.SIGSTOP)
    assert ended(victim) == -signal.SIGKILL


def test_who_ends_in_good_order_at_sigterm_was_too_slow_all_the_same(
    open_queue: Opener, actor: Caster, journal_dir: Any
) -> None:
    """Else such an item would go round for ever."""
    queue = open_queue(timeout=LIMIT_S)
    queue.put("hangs")
    victim = actor(queue)
    victim.ask("get")
    victim.tell(leave_at_sigterm)
    assert ended(victim) == 0
    assert actor(queue).ask("get") == "hangs"
    assert rows(journal_dir) == [(1, "timeout", victim.pid)]


def test_an_item_that_hangs_while_it_is_read_is_found(open_queue: Opener, actor: Caster) -> None:
    """Its time begins before its bytes are understood."""
    queue = open_queue(timeout=LIMIT_S)
    queue.put(Sticky())
    queue.close()
    for _ in range(2):
        victim = actor(queue)
        victim.tell("get")
        assert ended(victim) == -signal.SIGTERM
    assert actor(queue).ask("get") is DONE


def test_of_several_threads_the_one_that_hangs_is_found(
    open_queue: Opener, actor: Caster, journal_dir: Any
) -> None:
    """However many items the others finish meanwhile."""
    queue = open_queue(timeout=LIMIT_S)
    queue.put_many(range(500))
    queue.close()
    victim = actor(queue)
    victim.tell(hang_beside_a_thread)
    assert ended(victim) == -signal.SIGTERM
    assert actor(queue).ask("get") == 0
    assert rows(journal_dir) == [(1, "timeout", victim.pid)]


def test_what_else_the_process_had_in_hand_is_blamed_for_nothing(
    open_queue: Opener, actor: Caster, journal_dir: Any
) -> None:
    """Also if it had got that through another object of the queue."""
    queue, another = open_queue(timeout=LIMIT_S), open_queue()
    queue.put_many(["hangs", "innocent"])
    queue.flush()
    victim = actor(queue, another)
    assert victim.ask("get") == "hangs"
    assert victim.ask("get", at=1) == "innocent"
    assert ended(victim) == -signal.SIGTERM
    heir = actor(queue)
    assert {heir.ask("get"), heir.ask("get")} == {"hangs", "innocent"}
    assert rows(journal_dir) == [(1, "timeout", victim.pid)]


def test_nonsense_in_a_slot_kills_nobody(open_queue: Opener, actor: Caster) -> None:
    """Nor does it end the broker, or keep it from killing who is late."""
    queue = open_queue(timeout=LIMIT_S)
    first, late = item_id_of(queue._queue_id, 1), 1e-3
    liars = {
        actor(queue): noted
        for noted in (
            (first, math.nan),
            (first, math.inf),
            (first, -1.0),
            (item_id_of(queue._queue_id, 9), late),
            (-5, late),
            (2**63 - 1, late),
        )
    }
    queue.put_many(range(len(liars) + 1))
    for liar, noted in liars.items():
        liar.ask("get")
        liar.ask(note_nonsense, *noted)
    victim = actor(queue)
    victim.ask("get")
    assert ended(victim) == -signal.SIGTERM
    assert all(liar.process.is_alive() for liar in liars)


def test_who_asks_for_more_time_has_it(open_queue: Opener, actor: Caster, journal_dir: Any) -> None:
    """For that item; who has not asked, and got one later, is killed meanwhile."""
    queue = open_queue(timeout=LIMIT_S)
    queue.put_many(["long", "hangs"])
    patient = actor(queue)
    assert patient.ask("get") == "long"
    patient.ask("extend", "5min")
    hasty = actor(queue)
    assert hasty.ask("get") == "hangs"
    assert ended(hasty) == -signal.SIGTERM
    patient.ask("task_done", "long")
    patient.ask("flush")
    assert rows(journal_dir) == [(2, "timeout", hasty.pid)]
    assert patient.ask("get") == "hangs"
    assert ended(patient) == -signal.SIGTERM


def test_time_is_asked_for_each_item(open_queue: Opener, actor: Caster, journal_dir: Any) -> None:
    """Also before it is the one that this process has had for the longest time."""
    queue = open_queue(timeout=LIMIT_S)
    queue.put_many(["first", "second", "hangs"])
    patient = actor(queue)
    assert [patient.ask("get"), patient.ask("get")] == ["first", "second"]
    patient.ask("extend", 600, "second")
    patient.ask("extend", 600)
    patient.ask("extend", 0.001)
    patient.ask("task_done")
    hasty = actor(queue)
    assert hasty.ask("get") == "hangs"
    assert ended(hasty) == -signal.SIGTERM
    patient.ask("task_done")
    patient.ask("flush")
    assert rows(journal_dir) == [(3, "timeout", hasty.pid)]


def test_who_hangs_for_longer_than_it_has_asked_for_is_killed(
    open_queue: Opener, actor: Caster, journal_dir: Any
) -> None:
    """And the reason says how long that was."""
    queue = open_queue(timeout=0.05)
    queue.put("hangs")
    victim = actor(queue)
    victim.ask(get_and_ask, LIMIT_S)
    assert ended(victim) == -signal.SIGTERM
    assert actor(queue).ask("get") == "hangs"
    with sqlite3.connect(journal_dir / "work.db") as connection:
        ((message,),) = connection.execute("SELECT message FROM failure")
    assert LIMIT_S <= float(message.split("more than ")[1].split(" s,")[0]) < LIMIT_S + 0.05


@pytest.mark.parametrize("until", [math.nan, math.inf, -1.0, 1e300])
def test_nonsense_that_is_asked_for_gives_no_time(
    open_queue: Opener, actor: Caster, until: float
) -> None:
    """More than a day neither."""
    queue = open_queue(timeout=LIMIT_S)
    queue.put("hangs")
    victim = actor(queue)
    victim.ask("get")
    victim.ask(ask_for_nonsense, until)
    assert ended(victim) == -signal.SIGTERM


def test_who_has_no_such_item_asks_for_nothing(open_queue: Opener) -> None:
    """As for all that is said of an item."""
    queue = open_queue()
    with pytest.raises(ValueError, match=r"extend\(\): this process has no such item"):
        queue.extend(1)


def test_who_has_opened_the_queue_gets_nothing(
    open_queue: Opener, run_script: Callable[..., Any]
) -> None:
    """It would be killed with all that waits for its children; a joining program has opened it."""
    queue = open_queue(timeout=LIMIT_S)
    queue.put("item")
    for get in (queue.get, queue.get_nowait, lambda: queue.get_many(2), lambda: next(iter(queue))):
        with pytest.raises(UsageError, match="get items in child processes"):
            get()
    joined = run_script('from persistq import PersistentQueue\nPersistentQueue("work").get()')
    assert (joined.returncode, "Traceback" in joined.stderr) == (2, False), joined.stderr
    assert [*queue.outstanding()] == ["item"]


def test_whom_the_broker_cannot_kill_gets_nothing(open_queue: Opener, actor: Caster) -> None:
    """A number alone may be that of another process elsewhere."""
    queue = open_queue(timeout=LIMIT_S)
    queue.put("item")
    with pytest.raises(UsageError, match="which it would have to kill"):
        actor(queue).ask(get_elsewhere)


def test_without_a_limit_everybody_gets_items(open_queue: Opener, actor: Caster) -> None:
    """And keeps them."""
    queue = open_queue()
    queue.put("item")
    assert queue.get() == "item"


@pytest.mark.parametrize("point", ["broker.before_overdue", "broker.after_overdue"])
def test_a_broker_that_dies_beside_it_loses_nothing(
    open_queue: Opener,
    actor: Caster,
    journal_dir: Any,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
) -> None:
    """The item is outstanding, and tried again by the next run; at most for nothing."""
    monkeypatch.setenv("PERSISTQ_FAILPOINT", f"{point}:kill")
    queue = open_queue(timeout=LIMIT_S)
    monkeypatch.delenv("PERSISTQ_FAILPOINT")
    queue.put_many(["hangs", "fine"])
    queue.close()
    victim = actor(queue)
    victim.ask("get")
    victim.tell(sleep)
    queue._presence._leaving.run.broker.wait(30)
    queue.release()
    if point == "broker.before_overdue":
        assert victim.process.is_alive()
        victim.kill()
    assert ended(victim) in {-signal.SIGTERM, -signal.SIGKILL}
    assert check_journal(journal_dir / "work.db") == []
    again = open_queue(timeout=LIMIT_S)
    assert actor(again).ask(iterate) == ["hangs", "fine"]
    assert rows(journal_dir) == []
