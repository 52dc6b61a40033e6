"""A source: a function that yields the items of the first stage, in a process of its own."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Any

from persistq import failpoints
from persistq.client.connection import Connection
from persistq.client.handle import Handle
from persistq.client.producer import Producer
from persistq.codec import ItemCodec
from persistq.ending import has_sentence
from persistq.errors import BrokerLost, JournalError, NotAResult, PersistqError, RunEnded
from persistq.pipeline.callables import require_result
from persistq.pool.child import Word, become_child, told_in_one_sentence
from persistq.text.streams import say
from persistq.wire.messages import Fail, Farewell, Role, Seal


@dataclass(frozen=True, slots=True)
class Source:
    """The user's function that yields the items.

    Attributes:
        name: Its name.
        function: It.
        limits: What it says of how much may be outstanding of what it has yielded, by setting.
    """

    name: str
    function: Callable[..., Iterable[Any]]
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceTask:
    """What a source's process is told when it starts."""

    handle: Handle
    source: Source
    arguments: dict[str, Any]
    codec: ItemCodec


def run_source(task: SourceTask, supervisor_pid: int, tells: Pipe) -> None:
    """Be a source's process from start to end.

    Crash: what was put is journaled; the source is called again, and what it puts again is
    absorbed.
    """
    become_child(supervisor_pid)
    tells.send_bytes(Word.READY)
    try:
        with told_in_one_sentence(task.source.name):
            drain_source(task)
            tells.send_bytes(Word.OVER)
    except (BrokerLost, JournalError, RunEnded) as error:
        # Whoever is left of broker and supervisor says so to the user.
        sys.exit(error.exit_code)


def drain_source(task: SourceTask, on_item: Callable[[], object] | None = None) -> bool:
    """Put everything a source yields, then seal; if it raises, fail the load.

    Args:
        task: The source.
        on_item: Called after each item, by inline runs; anything but None ends the source.

    Returns:
        Whether the source came to its end.
    """
    control, welcome = Connection.dial(task.handle, Role.CONTROL)
    # An inline run carries on what it has put before it asks for more: nobody else would.
    producer = Producer(task.handle, waits=on_item is None)
    try:
        # A source that died after its seal has nothing left to say.
        over = task.handle.queue_id in welcome.closed
        return over or _drain(task, producer, control, on_item)
    finally:
        control.close()
        producer.close()


def _drain(
    task: SourceTask,
    producer: Producer,
    control: Connection,
    on_item: Callable[[], object] | None,
) -> bool:
    source = task.source
    try:
        items = _iterable(source.function(**task.arguments), f"source {source.name!r}")
        over = _put_all(items, task.codec, producer, on_item)
    except (BrokerLost, JournalError, RunEnded, KeyboardInterrupt):
        raise
    except NotAResult as error:
        control.ask(Fail, str(error))
        producer.say_farewell()
        return False
    except BaseException as error:  # noqa: BLE001 - whatever ends a source fails the load
        if not has_sentence(error):
            say(traceback.format_exc().rstrip())
        control.ask(Fail, f"source {source.name!r} raised {type(error).__name__}: {error}")
        producer.say_farewell()
        return False
    if over:
        failpoints.point("source.before_seal")
        control.ask(Seal, task.handle.queue_id)
        failpoints.point("source.after_seal")
    control.send(Farewell())
    producer.say_farewell()
    return over


def _iterable(items: Any, what: str) -> Iterable[Any]:
    """Return what a source has returned if it is a number of items.

    Raises:
        NotAResult: It is not.
    """
    require_result(items, what)
    # A text has characters as its items, but whoever returns one means the whole.
    if not isinstance(items, str | bytes):
        with contextlib.suppress(TypeError):
            iterator: Iterable[Any] = iter(items)
            return iterator
    found = "None" if items is None else f"one {type(items).__name__}"
    raise NotAResult(what, f"returned {found}: it has to yield the items, or return a list of them")


def _put_all(
    items: Iterable[Any],
    codec: ItemCodec,
    producer: Producer,
    on_item: Callable[[], object] | None,
) -> bool:
    """Put items until they end; False if `on_item` ended them."""
    try:
        for item in items:
            producer.put_one(*codec.encode(item))
            if on_item is not None:
                producer.flush()
                if on_item() is not None:
                    return False
    except (PersistqError, KeyboardInterrupt):
        # The connection may be what failed, or was interrupted: there is nothing to finish on it.
        raise
    except BaseException:
        # What was yielded before an error is kept: the other side may not give it out twice.
        producer.flush()
        raise
    producer.flush()
    return True
