"""The items of a program's own, put by a thread of it: a source that is no process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from persistq.client.connection import Connection
from persistq.errors import BrokerLost, JournalError, PersistqError, RunEnded
from persistq.pipeline.draining import drain_source
from persistq.pipeline.sourcetask import SourceTask
from persistq.wire.messages import Fail, Role

if TYPE_CHECKING:
    from persistq.client.handle import Handle
    from persistq.client.producer import Producer


class Feeder:
    """Puts items while their iterable yields them.

    Args:
        items: The items.

    Attributes:
        error: What the iterable has raised, if it has.
    """

    def __init__(self, items: Iterable[Any]) -> None:
        self.error: BaseException | None = None
        self._items = items
        self._lines: list[Connection | Producer] = []
        self._lock = threading.Lock()
        self._is_cut = False

    def items(self) -> Iterable[Any]:
        """Return the items; this is the source's function."""
        items = self._items
        return self._watched() if isinstance(items, Iterator) else items

    def _watched(self) -> Iterator[Any]:
        try:
            yield from self._items
        except BaseException as error:
            self.error = error
            raise

    def begin(self, told: SourceTask) -> None:
        """Begin to put them, on a thread.

        Crash: what was put is journaled; the next run puts all again, and that is absorbed.
        """
        threading.Thread(
            target=self._feed, args=(told,), name="persistq-feeder", daemon=True
        ).start()

    def cut(self) -> None:
        """Put no more. The thread ends when the iterable gives it a moment."""
        with self._lock:
            self._is_cut = True
            for line in self._lines:
                line.cut()

    def _feed(self, told: SourceTask) -> None:
        try:
            drain_source(told, _is_raised_already, on_open=self._note)
        except (BrokerLost, JournalError, RunEnded) as error:
            # It may have come from the iterable. If not, whoever watches the run says so.
            if not self._is_cut:
                give_up(told.handle, f"source {told.source.name!r} has ended: {error}")

    def _note(self, control: Connection, producer: Producer) -> None:
        with self._lock:
            self._lines += [control, producer]
            if self._is_cut:
                control.cut()
                producer.cut()


def _is_raised_already(error: BaseException) -> None:
    """What the iterable has raised is noted where it is asked for its items."""


def give_up(handle: Handle, reason: str) -> None:
    """End a run, whose load is carried on by the next one; nothing if its broker is gone.

    Crash: the run ends with this process anyway.

    Args:
        handle: The run.
        reason: Why, in words.
    """
    with contextlib.suppress(PersistqError):
        control, _ = Connection.dial(handle, Role.CONTROL)
        try:
            control.ask(Fail, reason)
        finally:
            control.close()
