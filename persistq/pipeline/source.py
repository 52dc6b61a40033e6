"""A source: a function that yields the items of the first stage, in a process of its own."""

from __future__ import annotations

import inspect
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from typing import Any

from persistq import failpoints
from persistq.broker.wire import Fail, Farewell, Role, Seal
from persistq.client.connection import Connection, Handle
from persistq.client.producer import Producer
from persistq.codec import ItemCodec
from persistq.errors import BrokerLost, JournalError, PersistqError, RunEnded, UsageError
from persistq.pool.child import Word, become_child, told_in_one_sentence

LINGER_S = 0.002
"""How long an item that a source has yielded may wait for company."""

CHUNK_ITEMS = 1_000


@dataclass(frozen=True, slots=True)
class Source:
    """The user's function and the arguments it is called with."""

    name: str
    function: Callable[..., Iterable[Any]]

    def arguments(self, params: Mapping[str, Any], settings: Any) -> dict[str, Any]:
        """Return the keyword arguments for this run.

        Raises:
            UsageError: A parameter is missing, or one was given that the function does not take.
        """
        parameters = inspect.signature(self.function).parameters
        given = dict(params)
        if "settings" in parameters:
            given["settings"] = settings
        takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        for name in given:
            if name not in parameters and not takes_any:
                raise UsageError(f"source {self.name!r} takes no parameter {name!r}")
        for name, parameter in parameters.items():
            if parameter.default is parameter.empty and name not in given and _is_named(parameter):
                raise UsageError(f"source {self.name!r} needs --param {name}=...")
        return given


def _is_named(parameter: inspect.Parameter) -> bool:
    return parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}


@dataclass(frozen=True, slots=True)
class SourceAssignment:
    """What a source's process is told when it starts."""

    handle: Handle
    source: Source
    arguments: dict[str, Any]
    codec: ItemCodec


class Outbox:
    """Sends what a source yields in chunks, and never keeps an item back for long.

    A source may pause for hours after an item, so a thread sends what lingers.

    Args:
        producer: Where items go.
        codec: Encodes them.
    """

    def __init__(self, producer: Producer, codec: ItemCodec) -> None:
        self._producer = producer
        self._codec = codec
        self._codecs = bytearray()
        self._payloads: list[bytes] = []
        self._sent_at = 0.0
        self._lock = threading.Lock()
        self._error: Exception | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send_lingering, daemon=True)

    def __enter__(self) -> Outbox:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def add(self, item: Any) -> None:
        """Send an item, at once or very soon.

        Raises:
            ItemNotStorable: It cannot be encoded.
        """
        codec, payload = self._codec.encode(item)
        with self._lock:
            if self._error is not None:
                raise self._error
            self._codecs.append(codec)
            self._payloads.append(payload)
            idle = time.monotonic() - self._sent_at
            if idle >= LINGER_S or len(self._payloads) >= CHUNK_ITEMS:
                self._send()

    def finish(self) -> None:
        """Send the rest and wait until all is journaled."""
        with self._lock:
            if self._error is not None:
                raise self._error
            self._send()
        self._producer.flush()

    def _send(self) -> None:
        if self._payloads:
            codecs, payloads = bytes(self._codecs), self._payloads
            # Whatever comes of it, it is not sent twice.
            self._codecs, self._payloads = bytearray(), []
            self._producer.put(codecs, payloads)
        self._sent_at = time.monotonic()

    def _send_lingering(self) -> None:
        while not self._over.wait(LINGER_S):
            with self._lock:
                try:
                    self._send()
                except Exception as error:  # noqa: BLE001 - the source's own thread raises it
                    self._error = error
                    return


def run_source(assignment: SourceAssignment, supervisor_pid: int, tells: Pipe) -> None:
    """Be a source's process from start to end.

    Crash: what was put is journaled; the source is called again, and what it puts again is
    absorbed.
    """
    become_child(supervisor_pid)
    tells.send_bytes(Word.READY)
    try:
        with told_in_one_sentence(assignment.source.name):
            drain_source(assignment)
            tells.send_bytes(Word.OVER)
    except (BrokerLost, JournalError, RunEnded) as error:
        # Whoever is left of broker and supervisor says so to the user.
        sys.exit(error.exit_code)


def drain_source(assignment: SourceAssignment, on_item: Callable[[], object] | None = None) -> bool:
    """Put everything a source yields, then seal; if it raises, fail the load.

    Args:
        assignment: The source.
        on_item: Called after each item, by inline runs; anything but None ends the source.

    Returns:
        Whether the source came to its end.
    """
    control, welcome = Connection.dial(assignment.handle, Role.CONTROL)
    producer = Producer(assignment.handle)
    try:
        # A source that died after its seal has nothing left to say.
        over = assignment.handle.queue_id in welcome.closed
        return over or _drain(assignment, producer, control, on_item)
    finally:
        control.close()
        producer.close()


def _drain(
    assignment: SourceAssignment,
    producer: Producer,
    control: Connection,
    on_item: Callable[[], object] | None,
) -> bool:
    source = assignment.source
    try:
        with Outbox(producer, assignment.codec) as outbox:
            over = _put_all(source.function(**assignment.arguments), outbox, on_item)
    except (BrokerLost, JournalError, RunEnded, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever ends a source fails the load
        traceback.print_exc()
        control.ask(Fail, f"source {source.name!r} raised {type(error).__name__}: {error}")
        producer.say_farewell()
        return False
    if over:
        failpoints.point("source.before_seal")
        control.ask(Seal, assignment.handle.queue_id)
        failpoints.point("source.after_seal")
    control.send(Farewell())
    producer.say_farewell()
    return over


def _put_all(items: Iterable[Any], outbox: Outbox, on_item: Callable[[], object] | None) -> bool:
    """Put items until they end; False if `on_item` ended them."""
    try:
        for item in items:
            outbox.add(item)
            if on_item is not None:
                outbox.finish()
                if on_item() is not None:
                    return False
    except PersistqError:
        # The connection may be what failed, so there is nothing to finish on it.
        raise
    except BaseException:
        # What was yielded before an error is kept: the other side may not give it out twice.
        outbox.finish()
        raise
    outbox.finish()
    return True
