"""This process's connections to one run: opened when first needed, closed together at its exit."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from multiprocessing import util
from typing import Any

from persistq.client import forking
from persistq.client.connection import Connection
from persistq.client.consumer import Consumer
from persistq.client.handle import Handle
from persistq.client.lastwords import all_last_words
from persistq.client.openings import resume_command
from persistq.client.producer import Producer
from persistq.client.starting import OpenedRun
from persistq.errors import ItemsFailed, JournalError, LoadUnfinished, PersistqError
from persistq.text.streams import say
from persistq.wire.messages import Answer, Farewell, QueueSizes, Role, Sizes

BROKER_EXIT_S = 30.0
"""How long the program that started a broker waits for it to fold its journal and end."""

# After multiprocessing has joined this process's children, so that the program outlives them.
_EXIT_PRIORITY = -100

_present: weakref.WeakSet[Presence] = weakref.WeakSet()


class Presence:
    """The connections of one queue object in this process.

    Args:
        handle: The run and the queue.
        run: In the program that opened the load, its hold on the run.

    Attributes:
        hasty: Whether to exit without waiting until all puts are journaled.
        present_consumer: The getting connection, if this process has one.
    """

    def __init__(self, handle: Handle, run: OpenedRun | None = None) -> None:
        self.handle = handle
        self.hasty = False
        self._run = run
        self._others = 0
        self._on_fork: list[Callable[[], None]] = []
        self._begin()
        _present.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self.present_consumer: Consumer | None = None
        self._control: Connection | None = None
        self._finalizer: util.Finalize | None = None
        if self._run is not None:
            self._leave_at_exit()

    @property
    def has_last_word(self) -> bool:
        """Whether this process says at its end what is left."""
        return self._run is not None

    @property
    def producer(self) -> Producer:
        """The putting connection."""
        if self._producer is None:
            with self._lock:
                self._producer = self._producer or Producer(self.handle)
                self._leave_at_exit()
        return self._producer

    @property
    def consumer(self) -> Consumer:
        """The getting connection."""
        if self.present_consumer is None:
            with self._lock:
                self.present_consumer = self.present_consumer or Consumer(self.handle)
                self._leave_at_exit()
        return self.present_consumer

    def ask(self, request: Any, *args: Any, kind: Any = Any) -> Any:
        """Make a request that is answered soon; requests of several threads take turns."""
        with self._lock:
            if self._control is None:
                self._control, _ = Connection.dial(self.handle, Role.CONTROL)
                self._leave_at_exit()
            return self._control.ask(request, *args, kind=kind)

    def sizes(self) -> list[QueueSizes]:
        """Return the counters of all queues of the load."""
        sizes: list[QueueSizes] = self.ask(Sizes, kind=list[QueueSizes])
        return sizes

    def drop_consumer(self, *, farewell: bool = True) -> None:
        """Stop getting; what was got and not finished goes to others."""
        consumer, self.present_consumer = self.present_consumer, None
        if consumer is not None:
            consumer.leave(farewell=farewell)

    def release(self) -> None:
        """Report what is left to report, say farewell and disconnect. Safe to call twice.

        Raises:
            PersistqError: Something that was put or finished is lost.
        """
        self._part(None)

    def leave(self) -> None:
        """Do as `release` at the end of the process; an error that ends it means no farewell."""
        raised = all_last_words()
        try:
            self._part(_last_error())
        except PersistqError as error:
            if str(error) not in raised:
                say(f"persistq: {error}")

    def _part(self, death: BaseException | None) -> None:
        if self._finalizer is not None:
            self._finalizer.cancel()
            self._finalizer = None
        try:
            self._settle(farewell=not isinstance(death, Exception))
            if self._run is not None:
                self._take_leave(self._run, farewell=death is None)
        finally:
            self._disconnect()

    def _settle(self, *, farewell: bool) -> None:
        if self._producer is not None:
            self._producer.push() if self.hasty else self._producer.flush()
        self.drop_consumer(farewell=farewell)

    def _take_leave(self, run: OpenedRun, *, farewell: bool) -> None:
        raised = all_last_words()
        try:
            self._say_what_is_left()
            if farewell:
                self._others = say_farewell(run.anchor)
        except PersistqError as error:
            # What this process did is recorded; it does not matter who is there to take leave of.
            if str(error) not in raised:
                say(f"persistq: {error}")

    def _say_what_is_left(self) -> None:
        sizes = self.sizes()
        outstanding = sum(s.put - s.done - s.dropped - s.parked for s in sizes)
        parked = sum(s.parked for s in sizes)
        if outstanding or parked:
            # The promise: every exit that leaves something says what to type.
            left = _what_is_left(self.handle, self._load_to_name(), outstanding, parked)
            say(f"{self.handle.name}: {left}")

    def _load_to_name(self) -> int | None:
        """Return the number of a reopened load, on which only who names it works."""
        welcome = self._run.welcome if self._run is not None else None
        return welcome.load_id if welcome is not None and welcome.reopened else None

    def _disconnect(self) -> None:
        for connection in (self._producer, self._control):
            if connection is not None:
                connection.close()
        if self.present_consumer is not None:
            self.present_consumer.close()
        self._producer = self.present_consumer = self._control = None
        if self._run is not None:
            run, self._run = self._run, None
            run.anchor.close()
            see_off(run.broker, serves_others=self._others > 0)

    def _leave_at_exit(self) -> None:
        if self._finalizer is None:
            self._finalizer = util.Finalize(None, self.leave, exitpriority=_EXIT_PRIORITY)

    def on_fork(self, action: Callable[[], None]) -> None:
        """Have something done in a forked child."""
        self._on_fork.append(action)

    def forget(self) -> None:
        """Start anew in a forked child: what was inherited belongs to the parent."""
        if self.present_consumer is not None:
            self.present_consumer.disown()
        if self._run is not None and self._run.broker is not None:
            # Not this process's child: nothing to wait for, nothing to warn about.
            self._run.broker.returncode = 0
        self._run = None
        self._begin()
        for action in self._on_fork:
            action()


def _what_is_left(handle: Handle, load: int | None, outstanding: int, parked: int) -> str:
    retrying = resume_command(handle.name, handle.journal, failed=True, load=load)
    if not outstanding:
        return f"{_items(parked)} parked as failed in {handle.journal}; retry with: {retrying}"
    text = f"{_items(outstanding)} outstanding"
    carrying_on = f"carry on with: {resume_command(handle.name, handle.journal, load=load)}"
    if not parked:
        return f"{text} in {handle.journal}; {carrying_on}"
    return (
        f"{text} and {parked:,} parked as failed in {handle.journal}; {carrying_on}, "
        f"or, to retry those parked too: {retrying}"
    )


def _items(count: int) -> str:
    return f"{count:,} item{'s' if count != 1 else ''}"


def sizes_of_run(handle: Handle) -> list[QueueSizes]:
    """Return the counters of all queues of a load, over a connection of its own."""
    connection, _ = Connection.dial(handle, Role.CONTROL)
    try:
        sizes: list[QueueSizes] = connection.ask(Sizes, kind=list[QueueSizes])
        return sizes
    finally:
        connection.close()


_IN_GOOD_ORDER = (SystemExit, LoadUnfinished, ItemsFailed, JournalError)
"""What may end a process without anything having happened to the item in its hand."""


def _last_error() -> BaseException | None:
    """Return the exception that ends this process, if one does.

    In a process of multiprocessing it is still being raised; in a main program it was printed. An
    interactive session ends when its user wants, whatever was printed before.
    """
    if hasattr(sys, "ps1"):
        return None
    error = sys.exc_info()[1] or getattr(sys, "last_value", None)
    return None if isinstance(error, _IN_GOOD_ORDER) else error


def say_farewell(anchor: Connection, result: str = "", reason: str = "") -> int:
    """Leave a run on purpose; return how many connections other processes have to its broker.

    Args:
        anchor: The connection of the program that opened the load.
        result: How the run ended, a `persistq.journal.base.RunResult`; empty if it goes on.
        reason: Why.
    """
    anchor.send(Farewell(result, reason))
    while not isinstance(answer := anchor.receive(), Answer):
        continue
    return int(answer.value)


def see_off(broker: subprocess.Popen[bytes] | None, *, serves_others: bool) -> None:
    """Wait for a broker that ends now; one that serves others is left alone.

    Args:
        broker: The broker, if this process started it.
        serves_others: Whether it goes on.
    """
    if broker is None:
        return
    if serves_others:
        # It ends by itself some day; there is nobody to wait for it, and nothing to warn about.
        broker.returncode = 0
        return
    with contextlib.suppress(subprocess.TimeoutExpired):
        broker.wait(BROKER_EXIT_S)


def _forget_all() -> None:
    for presence in list(_present):
        presence.forget()


forking.at_fork(forking.Step.PRESENCES, after_in_child=_forget_all)
