"""Processes die at the worst moment; the others go on, and nothing is lost."""

from __future__ import annotations

import os
import queue as stdlib
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import BaseContext
from typing import Any

import pytest
from actors import fork_consumer, fork_helper, iterate, put_range, relay

from persistq import DONE, BrokerLost
from persistq.blocks import block_of
from persistq.client.connection import Connection
from persistq.errors import JournalUnavailable
from persistq.items import FailureKind
from persistq.journal.sqlite_reader import SqliteReader
from persistq.site.fence import fence_path
from persistq.site.processes import has_ended, peer_here
from persistq.wire.framing import frame
from persistq.wire.messages import Journaled, Put, Role

Any_ = Callable[..., Any]

PARENT = """
import multiprocessing, os, signal, sys
from queue import Empty
from persistq import PersistentQueue, RunEnded

def child(queue, pipe, waits):
    with open(sys.argv[2], "w") as report:
        try:
            if waits:
                try:
                    queue.get_nowait()
                except Empty:
                    pipe.send("ready")
                queue.get()
            else:
                queue.put("from the child")
                queue.flush()
                pipe.send("ready")
                while True:
                    queue.put("more")
        except RunEnded as error:
            print(type(error).__name__, error.pid == int(os.environ["PARENT"]), file=report)

if __name__ == "__main__":
    os.environ["PARENT"] = str(os.getpid())
    context = multiprocessing.get_context(sys.argv[1])
    queue = PersistentQueue("work")
    ours, theirs = context.Pipe()
    process = context.Process(target=child, args=(queue, theirs, sys.argv[3] == "get"))
    process.start()
    assert ours.recv() == "ready"
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_consumer_killed_while_idle_does_not_block_others(
    open_queue: Any_, actor: Any_, any_context: BaseContext
) -> None:
    """There is no shared lock that a dead reader could keep."""
    queue = open_queue()
    victims = [actor(queue, context=any_context) for _ in range(2)]
    survivor = actor(queue, context=any_context)
    for one in (*victims, survivor):
        one.wait_in_get()
    for victim in victims:
        victim.kill()
    queue.put("work")
    assert survivor.hear() == "work"
    survivor.ask("task_done")
    queue.join()


def test_item_of_a_killed_consumer_goes_to_another(
    open_queue: Any_, actor: Any_, any_context: BaseContext, journal_dir: Any
) -> None:
    """A waiting process gets it at once, and the death is on record."""
    queue = open_queue()
    queue.put("precious")
    queue.close()
    victim = actor(queue, context=any_context)
    heir = actor(queue, context=any_context)
    assert victim.ask("get") == "precious"
    heir.wait_in_get()
    victim.kill()
    assert heir.hear() == "precious"
    heir.ask("task_done")
    assert heir.ask("get") is DONE
    with SqliteReader(journal_dir / "work.db") as reader:
        (row,) = reader.view().queues
        (failure,) = reader.failures((row.queue_id << 40) | 1)
    assert (failure.kind, failure.pid) == (FailureKind.CRASH, victim.pid)


def test_item_that_kills_twice_is_parked(open_queue: Any_, actor: Any_, journal_dir: Any) -> None:
    """A poison item does not kill run after run; the other items are done."""
    queue = open_queue()
    queue.put_many(["poison", "fine"])
    queue.close()
    for _ in range(2):
        victim = actor(queue)
        assert victim.ask("get") == "poison"
        victim.kill()
    assert iterate(queue) == ["fine"]
    with SqliteReader(journal_dir / "work.db") as reader:
        ((item, failure),) = reader.parked()
    assert (item.payload, failure.kind) == (b'"poison"', FailureKind.CRASH)


def test_poison_is_remembered_by_the_next_run(
    open_queue: Any_, actor: Any_, kill_broker: Any_, journal_dir: Any
) -> None:
    """Deaths are counted across runs."""
    for death in range(2):
        queue = open_queue()
        if not death:
            queue.put_many(["poison", "fine"])
            queue.close()
        victim = actor(queue)
        assert victim.ask("get") == "poison"
        victim.kill()
        assert queue.get(timeout=30) == ("fine" if death else "poison")
        queue.dispose()
        queue.release()
    with SqliteReader(journal_dir / "work.db") as reader:
        view = reader.view()
    assert (view.outstanding, view.parked) == (1, 1)


def test_stopped_consumer_does_not_block_others(open_queue: Any_, actor: Any_) -> None:
    """A process that is stopped in the middle keeps only what is in its hands."""
    queue = open_queue()
    queue.put_many(range(50))
    queue.close()
    stopped, other = actor(queue), actor(queue)
    assert stopped.ask("get") == 0
    os.kill(stopped.pid, signal.SIGSTOP)
    rest = [other.ask("get") for _ in range(49)]
    for _ in rest:
        other.ask("task_done")
    other.ask("flush")
    assert rest == list(range(1, 50))
    with pytest.raises(stdlib.Empty):
        queue.get_nowait()
    os.kill(stopped.pid, signal.SIGCONT)
    stopped.ask("task_done")
    stopped.ask("flush")
    assert queue.get() is DONE


def test_stopped_waiter_does_not_block_others(open_queue: Any_, actor: Any_) -> None:
    """The item that was sent to a stopped process is free again when that one dies."""
    queue = open_queue()
    stopped = actor(queue)
    stopped.wait_in_get()
    os.kill(stopped.pid, signal.SIGSTOP)
    queue.put_many(["first", "second"])
    queue.close()
    assert queue.get() == "second"
    queue.task_done()
    os.kill(stopped.pid, signal.SIGKILL)
    assert queue.get() == "first"
    queue.task_done()
    assert queue.get() is DONE


def test_half_a_put_is_no_put(open_queue: Any_) -> None:
    """A producer that dies in the middle of a message leaves no part of it."""
    queue = open_queue()
    handle = queue._presence.handle
    whole = frame(Put(handle.queue_id, [block_of(0, [b'"whole"', b'"too"'])]))
    half = frame(Put(handle.queue_id, [block_of(0, [b'"half, and never more"'])]))[:-3]
    producer, _ = Connection.dial(handle, Role.PRODUCER)
    producer.stream.send(whole + half)
    assert isinstance(producer.receive(30), Journaled)
    producer.close()
    queue.close()
    assert iterate(queue) == ["whole", "too"]


def test_producer_killed_midway_leaves_a_prefix(open_queue: Any_, actor: Any_) -> None:
    """What a killed child had put is journaled in its order, and the queue goes on."""
    queue = open_queue()
    producer = actor(queue)
    producer.tell(put_range, 0, 100_000_000)
    got = [queue.get() for _ in range(50)]
    producer.kill()
    queue.close()
    for _ in got:
        queue.task_done()
    got += iterate(queue)
    assert got == list(range(len(got)))


@pytest.mark.parametrize("role", ["get", "put"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_a_killed_parent_end(
    run_script: Any_, tmp_path: Any, method: str, role: str
) -> None:
    """They are told RunEnded, wherever they are, and nothing of the program stays behind."""
    report = tmp_path / "report"
    done = run_script(PARENT, method, str(report), role)
    assert done.returncode == -signal.SIGKILL
    assert report.read_text() == "RunEnded True\n"


def test_broker_killed_is_told_to_everybody(
    open_queue: Any_, actor: Any_, kill_broker: Any_
) -> None:
    """Putting, getting and waiting raise BrokerLost, in children too."""
    queue = open_queue()
    queue.put("kept")
    queue.flush()
    waiting, holding = actor(queue), actor(queue)
    assert holding.ask("get") == "kept"
    waiting.wait_in_get()
    kill_broker(queue)
    with pytest.raises(BrokerLost, match="run the script again"):
        waiting.hear()
    for act in (queue.qsize, queue.join, queue.get, queue.close, lambda: queue.put("more")):
        with pytest.raises(BrokerLost):
            act()
    for child in (waiting, holding):
        child.kill()


def test_reopening_after_the_brokers_death_carries_on(open_queue: Any_, kill_broker: Any_) -> None:
    """The same process opens the name again and has all that was not finished."""
    queue = open_queue()
    queue.put_many(["a", "b", "c"])
    queue.get()
    queue.task_done()
    assert queue.get() == "b"
    queue.flush()
    kill_broker(queue)
    with pytest.raises(BrokerLost):
        iterate(queue)
    queue.release()
    again = open_queue()
    again.put_many(["a", "b", "c", "new"])
    again.close()
    assert iterate(again) == ["b", "c", "new"]


def test_released_queue_is_free_after_a_failing_report(
    open_queue: Any_, kill_broker: Any_, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release that cannot report any more still lets go of the journal."""
    monkeypatch.setenv("PERSISTQ_FENCE_TIMEOUT", "2")
    queue = open_queue()
    queue.put_many(["a", "b"])
    assert queue.get() == "a"
    kill_broker(queue)
    with pytest.raises(BrokerLost):
        queue.task_done()
    queue.release()
    again = open_queue()
    again.close()
    assert sorted(iterate(again)) == ["a", "b"]


@pytest.mark.parametrize("released_first", [True, False])
def test_source_of_a_lost_result_is_not_done(
    open_queue: Any_, kill_broker: Any_, released_first: bool
) -> None:
    """If the target's broker dies between put and task_done, the source item stays outstanding."""
    source, target = open_queue("source"), open_queue("target")
    target.put("earlier")
    target.flush()
    source.put("item")
    assert source.get() == "item"
    os.kill(target._presence._leaving.run.broker.pid, signal.SIGSTOP)
    target.put("lost")
    kill_broker(target)
    with pytest.raises(BrokerLost):
        source.task_done()
    if released_first:
        with pytest.raises(BrokerLost):
            target.release()
        source.dispose()
    else:
        with suppress(BrokerLost):
            source.dispose()
        with pytest.raises(BrokerLost):
            target.release()
    assert [*source.outstanding()] == ["item"]
    again = open_queue("target")
    assert relay(source, again) == "item"
    assert [*source.outstanding()] == []
    assert [*again.outstanding()] == ["earlier", "item"]


@pytest.mark.skipif(sys.platform != "linux", reason="nothing tells of it elsewhere")
def test_item_waits_for_the_forked_helper_of_a_killed_consumer(
    open_queue: Any_, actor: Any_, tmp_path: Any
) -> None:
    """Else it would be worked on twice at the same time; items nobody works on do not wait."""
    queue = open_queue()
    queue.put_many(["slow", "quick"])
    queue.close()
    victim, heir = actor(queue), actor(queue)
    assert victim.ask("get") == "slow"
    helper = victim.ask(fork_helper, str(tmp_path / "go"))
    victim.kill()
    assert heir.ask("get") == "quick"
    heir.ask("task_done")
    heir.wait_in_get()
    queue.flush()
    sizes = queue._sizes()
    assert (sizes.waiting, sizes.in_flight) == (0, 1)
    assert not has_ended(peer_here(helper))
    (tmp_path / "go").touch()
    assert heir.hear() == "slow"
    assert has_ended(peer_here(helper))
    heir.ask("task_done")
    assert heir.ask("get") is DONE


def test_forked_consumer_is_no_helper_of_its_parent(open_queue: Any_, actor: Any_) -> None:
    """A child that takes items for itself must not wait for what its dead parent had in hand."""
    queue = open_queue()
    queue.put_many(["first", "second"])
    queue.close()
    parent = actor(queue)
    assert parent.ask("get") == "first"
    child_says = parent.ask(fork_consumer)
    assert child_says == "second"
    parent.kill()
    heir = actor(queue)
    assert sorted(heir.ask(iterate)) == ["first", "second"]


def test_consumer_that_finds_another_fence_is_refused(open_queue: Any_, actor: Any_) -> None:
    """A new run would not wait for somebody behind a file that took the fence's place."""
    queue = open_queue()
    queue.put(1)
    child = actor(queue)
    fence_path(queue.journal).unlink()
    with pytest.raises(JournalUnavailable, match="deleted or replaced"):
        child.ask("get")
