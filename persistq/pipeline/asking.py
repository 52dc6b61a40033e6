"""Asks a source for items again and again, until it is exhausted or the run is told to end."""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from persistq.ending import has_sentence
from persistq.errors import (
    BrokerLost,
    ItemNotValid,
    JournalError,
    KeyNotUsable,
    NotAResult,
    OrderNotUsable,
    QueueClosed,
    RunEnded,
)
from persistq.flow import Retry
from persistq.pipeline.awaiting import Loop
from persistq.pipeline.parameters import CURSOR, WANTED
from persistq.put import Put
from persistq.text.streams import say
from persistq.text.terminal import text_of
from persistq.wire.messages import Poll

if TYPE_CHECKING:
    from persistq.client.connection import Connection
    from persistq.client.producer import Producer
    from persistq.pipeline.polling import Polling
    from persistq.pipeline.sourcetask import SourceTask

_SLICE_S: Final = 0.05
"""An inline run looks after its items so often while a source waits."""

_NOT_RETRIED: Final = (
    *(BrokerLost, JournalError, RunEnded, QueueClosed),
    *(NotAResult, ItemNotValid, KeyNotUsable, OrderNotUsable),
)
"""What ends the conversation: there is nobody to ask, or the same would come again."""


class Answer(NamedTuple):
    """What a broker says to a source.

    Attributes:
        wanted: How many items to yield; -1 if the run is being ended.
        new: How many of those were new that it has put since it asked before.
    """

    wanted: int
    new: int


class Asking:
    """One process's conversation with a source and the broker.

    Args:
        task: The source.
        polling: How it is asked.
        producer: Puts what it yields.
        control: Asks for room.
        on_item: Called after each item, and while it waits, by inline runs.
    """

    def __init__(
        self,
        task: SourceTask,
        polling: Polling,
        producer: Producer,
        control: Connection,
        on_item: Callable[[], object] | None,
    ) -> None:
        self._task = task
        self._polling = polling
        self._producer = producer
        self._control = control
        self._on_item = on_item
        self._arguments = task.called_with(producer.cursor)
        self._takes = inspect.signature(task.source.function).parameters
        self._empty = self._errors = 0
        # What is left of a sample.
        self._left = task.sample

    def run(self) -> bool:
        """Ask until it is over; True if the source is exhausted, False if the run is being ended.

        When the function is called, all that it had yielded before is on disk.

        Crash: what was yielded and is not committed is lost with this process; the source is asked
        anew, and nothing is absorbed.
        """
        with Loop() as loop:
            answer = self._ask(0.0, 0.0)
            while answer.wanted >= 0:
                pause = self._put_some(answer.wanted, loop) if answer.wanted else 0.0
                if self._left == 0:
                    return True
                answer = self._ask(self._idle(), pause)
                if pause == 0.0:
                    self._empty = 0 if answer.new else self._empty + 1
                if self._empty >= (self._polling.exhausted_after or self._empty + 1):
                    return True
        return False

    # --- inside ---

    def _put_some(self, wanted: int, loop: Loop) -> float:
        """Call the source, and put what it yields; return how long to wait if it has raised."""
        try:
            for item in self._items(wanted, loop):
                self._put(item)
        except _NOT_RETRIED:
            raise
        except Exception as error:  # noqa: BLE001 - what it raises is retried as the source says
            return self._pause(error)
        finally:
            # Also of what it has yielded before it raised.
            self._producer.flush()
        self._errors = 0
        return 0.0

    def _items(self, wanted: int, loop: Loop) -> Iterator[Any]:
        """Yield what the source yields, but for None."""
        wanted = wanted if self._left is None else min(wanted, self._left)
        arguments = self._arguments | ({WANTED: wanted} if WANTED in self._takes else {})
        found: Any = self._task.source.function(**arguments)
        if isinstance(found, Coroutine) and not isinstance(found, Iterable):
            found = loop.run(found)
        if found is None:
            return
        items: Iterable[Any] = (
            loop.each(found) if isinstance(found, AsyncIterable) else self._task.iterable(found)
        )
        yield from islice((item for item in items if item is not None), self._left)

    def _put(self, item: Any) -> None:
        self._producer.put_one(*self._task.encoded(item))
        if type(item) is Put and item.cursor is not None:
            self._arguments[CURSOR] = item.cursor
        if self._left is not None:
            self._left -= 1
        if self._on_item is not None:
            self._producer.flush()
            self._on_item()

    def _pause(self, error: Exception) -> float:
        """Return how long to wait after an error; raise it if it was one too many."""
        self._errors += 1
        pause = self._polling.pause(self._errors, error)
        if pause is None:
            raise error
        name = self._task.source.name
        if not isinstance(error, Retry) and not has_sentence(error) and self._errors == 1:
            say("".join(traceback.format_exception(error)).rstrip())
        kind = type(error).__name__
        say(f"source {name!r} raised {kind}: {text_of(error)}; it is asked again in {pause:g} s")
        # Nobody waits for no time at all, which would mean that it has not raised.
        return max(pause, 0.001)

    def _idle(self) -> float:
        """Return how long to wait if nothing was new this time."""
        times = self._empty + 1
        last = self._polling.exhausted_after == times
        return 0.0 if last else self._polling.idle(times)

    def _ask(self, idle: float, pause: float) -> Answer:
        inline = self._on_item is not None
        answer: Answer = self._control.ask(
            Poll, self._polling.most, idle, pause, inline, kind=Answer
        )
        if inline:
            self._wait_inline(pause + (0.0 if answer.new else idle))
        return answer

    def _wait_inline(self, seconds: float) -> None:
        """Wait, and work on what is due meanwhile: nobody else would."""
        assert self._on_item is not None
        end = time.monotonic() + seconds
        self._on_item()
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(_SLICE_S, left))
            self._on_item()
