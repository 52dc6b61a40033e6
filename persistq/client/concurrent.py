"""The getting side of a process that works on several items at the same time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from time import monotonic as _now
from typing import Any, Final, NamedTuple

from persistq import failpoints
from persistq.client.consumer import Consumer
from persistq.client.handle import Handle
from persistq.client.outputs import Made, Routed
from persistq.client.window import NEVER, Delivery
from persistq.wire.messages import BrokerMessage, Ended, GiveBack, Items, Patience, Take


class _Seat(NamedTuple):
    """Which of the attempts of this process the present context is.

    Attributes:
        number: Its slot in the fence, counted from 0.
        item_id: Its item; 0 for none.
    """

    number: int
    item_id: int


_NONE: Final = _Seat(0, 0)
_seat: ContextVar[_Seat] = ContextVar("persistq_seat", default=_NONE)


class ConcurrentConsumer(Consumer):
    """Takes items from one queue for as many attempts as are at work here at the same time.

    One thread asks, takes and reports, and never waits: it looks when the socket has something. The
    attempts themselves, wherever they run, may spool, stream and record checkpoints. Until `attend`
    it is a consumer like any other, that waits.

    Args:
        handle: The run and the queue.
        targets: The queues that get what is made of the items.
        at_once: How many attempts there are at the same time, at most.

    Attributes:
        ended: How it is over; None while it is not.
    """

    def __init__(self, handle: Handle, targets: Sequence[int] = (), at_once: int = 1) -> None:
        super().__init__(handle, targets, at_once=at_once)
        self.hold = self._hold
        self.ended: Ended | None = None
        self._asked: Patience | None = None
        self._idle_since: float | None = None
        self._ahead_at = NEVER
        self._came: deque[Items | Ended] = deque()
        self._attends = False
        self._when_come: Callable[[], None] = lambda: None
        self._thread = threading.get_ident()

    def fileno(self) -> int:
        """Return the descriptor that has something to read when something has come."""
        return self._connection.fileno()

    def attend(self, when_come: Callable[[], None]) -> None:
        """Wait for nothing from now on.

        Args:
            when_come: Called in any thread that has read what is for this one; it calls `heed`.
        """
        self._attends = True
        self._thread = threading.get_ident()
        self._when_come = when_come

    # --- the attempts ---

    def sit(self, number: int, item_id: int) -> None:
        """Say that the present context is an attempt at an item; `hold` is about that one then."""
        _seat.set(_Seat(number, item_id))

    @property
    def item_at_work(self) -> int:
        """The item of the present context; 0 if it has none."""
        return _seat.get().item_id

    def extend(self, item_id: int, until: float) -> None:
        """Ask for more time for an item that is being worked on; called in any thread.

        Crash: who is dead needs none.

        Args:
            item_id: The item. If it is not being worked on any more, nothing is done.
            until: Until when, at least, on the monotonic clock, in seconds.
        """
        # The post is closed when this has left.
        with suppress(ValueError):
            if (seat := self._post.seat_of(item_id)) is not None:
                self._post.extend(until, seat)

    def _hold(self, item_id: int, since: float = 0.0) -> None:
        self._post.hold_at(_seat.get().number, item_id, since)

    # --- the thread that asks, takes and reports ---

    def heed(self) -> None:
        """Take in what has come, without waiting.

        Raises:
            RunEnded: The program that opened the load is dead.
            BrokerLost: The broker is gone.
        """
        if self._getting.acquire(blocking=False):
            try:
                with self._connection.conversation:
                    self._heed_all(self._connection.poll())
            finally:
                self._getting.release()
        while self._came:
            self._take_in(self._came.popleft())

    def take(self) -> Delivery | None:
        """Return the next item that has come, None if there is none."""
        items = self._items
        if len(items) == self._ahead_at:
            self._ahead_at = NEVER
            self.ask(0, busy=True)
        return items.popleft() if items else None

    def ask(self, room: int, *, busy: bool) -> None:
        """Ask for items, unless that was asked before.

        Args:
            room: How many would be begun at once.
            busy: Whether others are at work, so that nobody need say when it is over.
        """
        patience = Patience.AHEAD if busy else Patience.WAIT
        if self._asked is not None and self._asked >= patience:
            return
        with self._sending:
            self.report()
            failpoints.point("client.before_take")
            self._connection.send(Take(patience, self._window.seen, room))
        self._asked = patience
        if not busy:
            self._idle_since = _now()

    def done(self, item_id: int, started: float, now: float, made: Made | Routed = ()) -> None:
        """Note an item as finished; `report_if_due` tells of it, with others.

        Crash: an item whose report was not sent is redone.

        Args:
            item_id: The item.
            started: When work on it began, on the monotonic clock.
            now: When it ended.
            made: What was made of it, journaled in the same transaction.
        """
        self._report.add(item_id, now - started, made)

    def report_if_due(self) -> None:
        """Report what is finished if it is time, or if there is nothing to begin."""
        if not self._items or _now() >= self._report.due_at:
            self.report()

    def give_back(self) -> None:
        """Report, give back what was not begun, and take back what was asked for early.

        Crash: what was given back is handed out again by the broker, like what the dead held.
        """
        with self._sending:
            self.report()
            unstarted, _ = self._window.take_back()
            early = self._asked is Patience.AHEAD
            if unstarted or early:
                failpoints.point("client.before_give_back")
                self._connection.send(GiveBack(unstarted))
            if early:
                self._asked = None

    def rest(self, item_ids: Sequence[int], reason: str, seconds: float | None = None) -> None:
        """Give items back, none of which is to blame, and have the stage rest; see `Consumer`."""
        super().rest(item_ids, reason, seconds)
        if self._asked is Patience.AHEAD:
            self._asked = None

    # --- inside ---

    def _await_answer(self, number: int) -> Any:
        answer = super()._await_answer(number)
        # Behind the answer there may be something else, of which the socket tells no more.
        self._when_come()
        return answer

    def _heed(self, message: BrokerMessage) -> None:
        if not self._attends or not isinstance(message, Items | Ended):
            super()._heed(message)
            return
        self._came.append(message)
        if threading.get_ident() != self._thread:
            self._when_come()

    def _take_in(self, message: Items | Ended) -> None:
        if self._idle_since is not None:
            self._timing.note_wait(_now() - self._idle_since)
            self._idle_since = None
        if isinstance(message, Ended):
            self.ended = message
            return
        self._asked = None
        self._window.add(message)
        # What is begun at once need not be asked for early.
        count = len(self._items)
        self._ahead_at = count // 2 if count > 2 * self.at_once else NEVER
