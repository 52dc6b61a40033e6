"""This process's connections to one run: opened when first needed, closed together at its exit."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from multiprocessing import util
from typing import Any

from persistq import forking
from persistq.client.connection import Connection
from persistq.client.consumer import Consumer
from persistq.client.handle import Handle
from persistq.client.lastwords import all_last_words
from persistq.client.leaving import Leave, error_at_exit, say_unless_said
from persistq.client.producer import Producer
from persistq.client.starting import OpenedRun
from persistq.errors import PersistqError
from persistq.wire.messages import QueueSizes, Role, Sizes, SourcePuts

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
        self._leaving = None if run is None else Leave(run, handle)
        self._on_parting: list[Callable[[], None]] = []
        self._begin()
        _present.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self.present_consumer: Consumer | None = None
        self._control: Connection | None = None
        self._finalizer: util.Finalize | None = None
        if self._leaving is not None:
            self._leave_at_exit()

    @property
    def has_last_word(self) -> bool:
        """Whether this process says at its end what is left."""
        return self._leaving is not None

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
            self._part_with_items()
            consumer.leave(farewell=farewell)

    def close(self) -> None:
        """Report what is left to report, say farewell and disconnect. Safe to call twice.

        Raises:
            PersistqError: Something that was put or finished is lost.
        """
        self._part(None)

    def leave(self) -> None:
        """Do as `close` at the end of the process; an error that ends it means no farewell."""
        said = all_last_words()
        try:
            self._part(error_at_exit())
        except PersistqError as error:
            say_unless_said(error, said)

    def _part(self, death: BaseException | None) -> None:
        if self._finalizer is not None:
            self._finalizer.cancel()
            self._finalizer = None
        try:
            self._settle(farewell=not isinstance(death, Exception))
            if self._leaving is not None:
                self._take_leave(self._leaving, farewell=death is None)
        finally:
            self._disconnect()

    def _settle(self, *, farewell: bool) -> None:
        if self._producer is not None:
            self._producer.push() if self.hasty else self._producer.flush()
        self.drop_consumer(farewell=farewell)

    def _take_leave(self, leaving: Leave, *, farewell: bool) -> None:
        said = all_last_words()
        try:
            leaving.take(self.sizes(), farewell=farewell)
        except PersistqError as error:
            # What this process did is recorded; it does not matter who is there to take leave of.
            say_unless_said(error, said)

    def _disconnect(self) -> None:
        for connection in (self._producer, self._control, self.present_consumer):
            if connection is not None:
                connection.close()
        self._producer = self.present_consumer = self._control = None
        self._part_with_items()
        if self._leaving is not None:
            leaving, self._leaving = self._leaving, None
            leaving.let_go()

    def _leave_at_exit(self) -> None:
        if self._finalizer is None:
            self._finalizer = util.Finalize(None, self.leave, exitpriority=_EXIT_PRIORITY)

    def on_parting(self, action: Callable[[], None]) -> None:
        """Have something done when what was got is this process's no more, as in a forked child."""
        self._on_parting.append(action)

    def _part_with_items(self) -> None:
        for action in self._on_parting:
            action()

    def forget(self) -> None:
        """Start anew in a forked child: what was inherited belongs to the parent."""
        if self.present_consumer is not None:
            self.present_consumer.disown()
        if self._leaving is not None:
            self._leaving.disown()
        self._leaving = None
        self._begin()
        self._part_with_items()


def sizes_of_run(handle: Handle) -> list[QueueSizes]:
    """Return the counters of all queues of a load, over a connection of its own."""
    connection, _ = Connection.dial(handle, Role.CONTROL)
    try:
        sizes: list[QueueSizes] = connection.ask(Sizes, kind=list[QueueSizes])
        return sizes
    finally:
        connection.close()


def puts_of_sources(handle: Handle) -> dict[int, int]:
    """Return how many new items each source has put in this run, by number."""
    connection, _ = Connection.dial(handle, Role.CONTROL)
    try:
        puts: dict[int, int] = connection.ask(SourcePuts, kind=dict[int, int])
        return puts
    finally:
        connection.close()


def _forget_all() -> None:
    for presence in list(_present):
        presence.forget()


forking.at_fork(forking.Step.PRESENCES, after_in_child=_forget_all)
