"""A source: a function that yields the items of the first stage, in a process of its own."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Any

from persistq import failpoints
from persistq.blocks import Block, BlockDamaged, block_of
from persistq.client.connection import Connection
from persistq.client.handle import Handle
from persistq.client.producer import Producer
from persistq.codec import ItemCodec
from persistq.ending import has_sentence
from persistq.errors import (
    BrokerLost,
    ItemNotReadable,
    JournalError,
    NotAResult,
    PersistqError,
    RunEnded,
    UsageError,
)
from persistq.pipeline import awaiting
from persistq.pipeline.callables import require_result
from persistq.pipeline.parameters import CURSOR
from persistq.pool.child import Word, become_child, told_in_one_sentence
from persistq.put import Put
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


class _CursorNotReadable(UsageError):
    """A cursor cannot be turned back into the source's own value in this process."""


Encoded = tuple[int, bytes, Block | None]
"""A codec's number, an item's payload, and how far the source has come with it."""


@dataclass(frozen=True, slots=True)
class SourceTask:
    """What a source's process is told when it starts.

    Attributes:
        handle: The run, and the queue to put on.
        source: The source.
        arguments: What it is called with, but for its cursor.
        codec: Encodes items.
        cursors: Encodes and decodes cursors; None if the source takes none.
    """

    handle: Handle
    source: Source
    arguments: dict[str, Any]
    codec: ItemCodec
    cursors: ItemCodec | None = None

    def called_with(self, cursor: Block | None) -> dict[str, Any]:
        """Return the arguments of the source.

        Args:
            cursor: The last cursor that was recorded, if any.

        Raises:
            _CursorNotReadable: It cannot be decoded here.
        """
        if self.cursors is None:
            return self.arguments
        return self.arguments | {CURSOR: self._decoded(self.cursors, cursor)}

    def encode(self, item: Any) -> Encoded:
        """Encode what a source that takes a cursor has yielded.

        Raises:
            ItemNotStorable: Item or cursor cannot be encoded.
        """
        if type(item) is not Put:
            return (*self.codec.encode(item), None)
        encoded = self.codec.encode(item.item)
        if item.cursor is None or self.cursors is None:
            return (*encoded, None)
        number, payload = self.cursors.encode(item.cursor)
        return (*encoded, block_of(number, [payload]))

    def _decoded(self, codec: ItemCodec, cursor: Block | None) -> Any:
        if cursor is None:
            return None
        try:
            [payload] = cursor.payloads()
            return codec.decode(0, cursor.codec, payload)
        except (BlockDamaged, ItemNotReadable) as error:
            why = error.reason if isinstance(error, ItemNotReadable) else str(error)
            raise _CursorNotReadable(
                f"the cursor of source {self.source.name!r} cannot be read: {why}; begin anew with "
                "--fresh (fresh=True)"
            ) from error


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
        arguments = task.called_with(producer.cursor)
        items = _iterable(source.function(**arguments), f"source {source.name!r}")
        encode = task.codec.encode if task.cursors is None else task.encode
        over = _put_all(map(encode, items), producer, on_item)
    except (BrokerLost, JournalError, RunEnded, KeyboardInterrupt):
        raise
    except (NotAResult, _CursorNotReadable) as error:
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
    if isinstance(items, AsyncIterable):
        return awaiting.each(items)
    require_result(items, what)
    # A text has characters as its items, but whoever returns one means the whole.
    if not isinstance(items, str | bytes):
        with contextlib.suppress(TypeError):
            iterator: Iterable[Any] = iter(items)
            return iterator
    found = "None" if items is None else f"one {type(items).__name__}"
    raise NotAResult(what, f"returned {found}: it has to yield the items, or return a list of them")


def _put_all(
    items: Iterable[tuple[Any, ...]],
    producer: Producer,
    on_item: Callable[[], object] | None,
) -> bool:
    """Put what `Producer.put_one` takes until it ends; False if `on_item` ended it."""
    try:
        for item in items:
            producer.put_one(*item)
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
