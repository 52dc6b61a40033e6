"""What goes in comes out as it was, and is recorded as what became of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from typing import Any

import pytest
from actors import iterate

from persistq import ItemNotReadable, ItemNotStorable, UsageError
from persistq.client.connection import Connection
from persistq.journal.sqlite_reader import SqliteReader
from persistq.wire.messages import Put

Any_ = Callable[..., Any]


class Awkward:
    """Like an array: compared with anything it has no truth value."""

    def __init__(self, tag: int) -> None:
        self.tag = tag

    def __eq__(self, other: object) -> Any:
        class Ambiguous:
            def __bool__(self) -> bool:
                raise ValueError("the truth value is ambiguous")

        return Ambiguous()

    __hash__ = None  # type: ignore[assignment]


class Gone:
    """Its stored form cannot be read."""

    def __reduce__(self) -> Any:
        return _not_there, ()


def _not_there() -> None:
    raise ImportError("the class is gone")


def test_put_many_draws_from_a_generator(open_queue: Any_) -> None:
    """Items are sent while the source yields, and what it yielded before it raised is a prefix."""
    queue = open_queue()
    yielded = []

    def source() -> Iterator[int]:
        for number in range(100_000):
            yielded.append(number)
            yield number
            if number % 1_000 == 999 and queue.qsize():
                raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        queue.put_many(source())
    queue.put_many(iter([]))
    put = [*queue.outstanding()]
    assert len(yielded) < 100_000
    assert put == yielded[: len(put)]


def test_unstorable_item_is_refused_and_the_queue_goes_on(open_queue: Any_) -> None:
    """The error comes from put itself, not later from a thread."""
    queue = open_queue()
    queue.put("before")
    with pytest.raises(ItemNotStorable, match="function"):
        queue.put(lambda: None)
    with pytest.raises(ItemNotStorable):
        queue.put_many(["with it", threading.Lock()])
    queue.put("after")
    queue.close()
    assert iterate(queue) == ["before", "after"]


def test_unreadable_item_is_parked_and_the_queue_goes_on(
    open_queue: Any_, journal_dir: Any
) -> None:
    """An item that no process can decode does not stop the load."""
    queue = open_queue()
    queue.put_many([Gone(), "fine"])
    queue.close()
    with pytest.raises(ItemNotReadable, match="the class is gone"):
        queue.get()
    assert iterate(queue) == ["fine"]
    with SqliteReader(journal_dir / "work.db") as reader:
        ((_, failure),) = reader.parked()
    assert failure.type == "ItemNotReadable"


def test_json_queue_refuses_what_json_cannot_hold(open_queue: Any_) -> None:
    """Both codec and allow_pickle hold for puts and gets, also in a queue opened again."""
    queue = open_queue(codec="json")
    with pytest.raises(ItemNotStorable, match="without loss"):
        queue.put((1, 2))
    other = open_queue()
    other.put((1, 2))
    strict = open_queue(allow_pickle=False)
    with pytest.raises(ItemNotReadable, match="does not allow pickle"):
        strict.get()


def test_name_must_be_a_file_name(journal_dir: Any, open_queue: Any_) -> None:
    """A name that could be a path or a pattern is refused by name, and nothing is made."""
    for name in ("", "a/b", "../a", ".hidden", "p[1]", "-x", "a" * 101, "a\nb", "a*"):
        with pytest.raises(UsageError, match="cannot name a journal"):
            open_queue(name)
    assert not journal_dir.exists()
    assert open_queue("A.b_c-1").name == "A.b_c-1"


def test_what_cannot_be_finished_is_told_apart(open_queue: Any_) -> None:
    """An item that this process has not got is not the same as one call too many."""
    queue = open_queue()
    queue.put("only")
    queue.get()
    with pytest.raises(ValueError, match="no such item"):
        queue.task_done("never got")
    queue.task_done()
    with pytest.raises(ValueError, match="too many times"):
        queue.task_done()


def test_item_without_truth_of_equality_can_be_finished(open_queue: Any_) -> None:
    """Arrays and frames can be items: the object itself is found by identity."""
    queue = open_queue()
    queue.put_many([Awkward(1), Awkward(2)])
    queue.get()
    second = queue.get()
    queue.task_done(second)
    queue.flush()
    assert [item.tag for item in queue.outstanding()] == [1]
    queue.task_done()


def test_task_failed_parks_the_item(open_queue: Any_, journal_dir: Any) -> None:
    """A parked item is settled, kept with its error, and not handed out again."""
    queue = open_queue()
    queue.put_many(["bad", "good"])
    queue.close()
    bad = queue.get()
    queue.task_failed(bad, KeyError("column"))
    assert iterate(queue) == ["good"]
    assert [*queue.outstanding()] == []
    queue.join()
    with SqliteReader(journal_dir / "work.db") as reader:
        ((item, failure),) = reader.parked()
    assert item.payload == b'"bad"'
    assert (failure.type, failure.message) == ("KeyError", "'column'")


def test_task_failed_accepts_a_text(open_queue: Any_, journal_dir: Any) -> None:
    """The reason may be words."""
    queue = open_queue()
    queue.put(1)
    queue.get()
    queue.task_failed(error="empty file")
    queue.flush()
    with SqliteReader(journal_dir / "work.db") as reader:
        ((_, failure),) = reader.parked()
    assert failure.message == "empty file"
    with pytest.raises(ValueError, match=r"task_failed.*too many times"):
        queue.task_failed()


def test_flush_leaves_everything_in_the_journal(open_queue: Any_, journal_dir: Any) -> None:
    """After flush a reader in another connection sees puts and outcomes."""
    queue = open_queue()
    queue.put_many(range(10))
    queue.get()
    queue.task_done()
    queue.flush()
    with SqliteReader(journal_dir / "work.db") as reader:
        (row,) = reader.view().queues
    assert (row.put, row.done) == (10, 1)


def test_flush_returns_while_another_thread_waits_in_get(open_queue: Any_) -> None:
    """A thread that waits for work does not keep others from their records."""
    queue = open_queue()
    queue.put(1)
    queue.get()
    waiting = threading.Thread(target=queue.get, daemon=True)
    waiting.start()
    queue.task_done()
    flushing = threading.Thread(target=queue.flush, daemon=True)
    flushing.start()
    flushing.join(10)
    returned = not flushing.is_alive()
    queue.close()
    waiting.join(10)
    assert returned


def test_queue_prints_what_it_is(open_queue: Any_) -> None:
    """Its text names load and journal."""
    queue = open_queue()
    assert repr(queue) == f"PersistentQueue('work', load=1, journal={queue.journal!r})"
    assert (queue.maxsize, queue.carried_on) == (0, False)


def test_a_burst_of_puts_shares_its_messages(
    open_queue: Any_, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop of puts is a few messages, in order, whatever its items are."""
    queue = open_queue()
    queue.put("first")
    sent: list[int] = []
    send = Connection.send

    def counting(self: Connection, message: Any) -> None:
        if isinstance(message, Put):
            sent.append(sum(block.count for block in message.blocks))
        send(self, message)

    monkeypatch.setattr(Connection, "send", counting)
    items = [number if number % 2 else (number,) for number in range(5_000)]
    for item in items:
        queue.put(item)
    queue.flush()
    assert sum(sent) == len(items)
    assert len(sent) < len(items) / 5
    assert list(queue.outstanding()) == ["first", *items]


def test_the_last_of_a_burst_arrives_though_nothing_is_done_about_it(
    open_queue: Any_, actor: Any_
) -> None:
    """Somebody else gets it while this process does nothing more."""
    queue = open_queue()
    other = actor(queue)
    for number in range(3):
        queue.put(number)
    assert [other.ask("get") for _ in range(3)] == [0, 1, 2]


def test_a_child_cannot_overtake_its_parent(open_queue: Any_) -> None:
    """What was put before a fork is ahead of what the child puts."""
    queue = open_queue()
    for number in range(3):
        queue.put(number)
    child = get_context("fork").Process(target=queue.put, args=(3,))
    child.start()
    child.join()
    queue.flush()
    assert list(queue.outstanding()) == [0, 1, 2, 3]


def test_a_hasty_exit_still_sends_what_was_put(run_script: Any_, open_queue: Any_) -> None:
    """`cancel_join_thread` gives up knowing of errors, not the items."""
    run_script(HASTY)
    assert list(open_queue().outstanding()) == [0, 1, 2]


HASTY = """
from persistq import PersistentQueue

queue = PersistentQueue("work")
for number in range(3):
    queue.put(number)
queue.cancel_join_thread()
"""
