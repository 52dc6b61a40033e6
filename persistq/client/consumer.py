"""The getting side of one process."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from persistq import failpoints
from persistq.blocks import Block
from persistq.client.connection import Connection
from persistq.client.handle import Handle
from persistq.client.housekeeper import Housekeeper
from persistq.client.outputs import Made
from persistq.client.producer import LOCK_S, settle_puts
from persistq.client.report import Report
from persistq.client.window import Delivery, Window
from persistq.errors import JournalUnavailable, PersistqError
from persistq.items import IdRange
from persistq.keys import ItemKeys
from persistq.site.fence import disinherit
from persistq.wire.messages import (
    Answer,
    BrokerMessage,
    Cancel,
    Dropped,
    Empty,
    Ended,
    Failed,
    Farewell,
    Flush,
    GiveBack,
    Items,
    Patience,
    Role,
    Spool,
    Stream,
    Take,
    Welcome,
)

Got = TypeVar("Got")
"""What is taken from the window at a time: an item, or several."""


class Consumer:
    """Takes items from one queue and reports what became of them.

    Finished items are reported together, at the latest when ``ack_interval`` seconds of work are
    unreported or when there is nothing more to do here. Different threads may get and report. They
    share the connection, so one at a time sends and one at a time receives; where there is work
    here and nothing to send, `get` and `done` take no lock.

    Args:
        handle: The run and the queue.
        targets: The queues that get what is made of the items.
        together: Most items that are begun together; see `persistq.client.batches`.

    Attributes:
        keys: Makes the keys of the items that come here.
        hold: Notes which item is being worked on, 0 for none, so that a death is blamed on it; and
            since when, on the monotonic clock, which only a supervisor needs.
    """

    def __init__(self, handle: Handle, targets: Sequence[int] = (), together: int = 1) -> None:
        disinherit()
        # The lock of the fence comes first: a consumer that got work must not be overlooked.
        self._post = handle.site.post()
        try:
            self._connection, welcome = Connection.dial(handle, Role.CONSUMER, together=together)
            self._require_fence(welcome)
        except BaseException:
            self._post.close()
            raise
        self.keys = ItemKeys(welcome.put_spans)
        self._post.occupy(welcome.slot)
        # Whoever is interrupted lives on: no item is to blame.
        self._connection.stream.before_tear = partial(self._post.hold, 0)
        self.hold = self._post.hold
        self._window = Window()
        self._items = self._window.items
        self._report = Report(handle.ack_interval)
        self._targets = targets
        self._getting = threading.Lock()
        self._sending = threading.RLock()
        self._housekeeper: Housekeeper | None = None

    @property
    def buffered(self) -> int:
        """Number of items handed to this process that nobody got yet."""
        return len(self._items)

    def get(self, timeout: float | None = None) -> Delivery | Ended | None:
        """Return the next item, `Ended` if it is over, or None if nothing came in time.

        Args:
            timeout: Longest wait in seconds; 0 does not wait, None waits for ever.

        Raises:
            RunEnded: The program that opened the load is dead.
            BrokerLost: The broker is gone.
        """
        items = self._items
        if len(items) == self._window.ask_at:
            self._ask_ahead()
        try:
            # Atomic, so threads that get at the same time need no lock while there is work here.
            return items.popleft()
        except IndexError:
            return self._await_work(timeout, items.popleft)

    def done(self, item_id: int, started: float, now: float, made: Made = ()) -> None:
        """Report an item as finished, perhaps a little later together with others.

        Crash: an item whose report was not sent is redone.

        Args:
            item_id: The item.
            started: When work on it began, on the monotonic clock.
            now: When it ended.
            made: What was made of it, journaled in the same transaction.
        """
        report = self._report
        report.add(item_id, now - started, made)
        if now >= report.due_at or not self._items:
            self.report()

    def spool(self, item_id: int, blocks: list[Block]) -> None:
        """Hand over some of what is made of an item while it is worked on; waits for the socket.

        Crash: what was spooled is void, unless the item's report was sent as well.

        Args:
            item_id: The item.
            blocks: What was made, in order, at least one.
        """
        with self._sending, self._connection.conversation:
            # Apart from what was finished before or is after it: outputs keep their items' order.
            self.report()
            failpoints.point("client.before_spool")
            self._connection.send(Spool(item_id, blocks))
            failpoints.point("client.after_spool")
            self._report.due_at = 0.0

    def stream(self, item_id: int, blocks: list[Block], *, first: bool) -> None:
        """Have some of what is made of an item put while it is worked on; waits for the socket.

        Crash: what the broker has got is put, and another attempt at the item may put it again.

        Args:
            item_id: The item.
            blocks: What was made, in order, at least one.
            first: Whether this attempt has put nothing before.
        """
        with self._sending, self._connection.conversation:
            self.report()
            failpoints.point("client.before_stream")
            self._connection.send(Stream(item_id, blocks, first))
            failpoints.point("client.after_stream")

    def failed(
        self,
        item_id: int,
        error_type: str,
        message: str,
        traceback: str,
        retry_after: float | None = None,
        *,
        final: bool = False,
    ) -> None:
        """Report that an attempt failed; the broker decides what becomes of the item."""
        with self._sending:
            self.report()
            ids = [IdRange(item_id, item_id)]
            self._connection.send(Failed(ids, error_type, message, traceback, retry_after, final))

    def dropped(self, item_id: int, reason: str) -> None:
        """Report that an item needs no work."""
        with self._sending:
            self.report()
            self._connection.send(Dropped([IdRange(item_id, item_id)], reason))

    @property
    def progress(self) -> int:
        """How many items were got."""
        return self._window.taken

    def unburden(self) -> bool:
        """Report what is finished and give back what was not started, for the `Housekeeper`.

        Crash: what was given back is handed out again by the broker, like what a dead process held.

        Returns:
            Whether anything was given back, or an early request taken back.
        """
        if not self._getting.acquire(blocking=False):
            # Somebody waits for work here, so nothing is held back.
            return False
        try:
            self._heed_all(self._connection.poll())
            self.report()
            unstarted, asked = self._window.take_back()
            if unstarted or asked:
                # It also takes back what was asked for early: others may be idle when that comes.
                with self._sending:
                    self._connection.send(GiveBack(unstarted))
            return bool(unstarted or asked)
        except PersistqError:
            # The thread that works here will meet the same error, and can tell somebody.
            return False
        finally:
            self._getting.release()

    def report(self) -> None:
        """Send what is finished and not reported yet.

        Whatever this process put elsewhere is journaled first: a result must not be lost when the
        item that it came from is recorded as done.
        """
        with self._sending, self._connection.conversation:
            finished = self._report.take()
            if finished.item_ids:
                # If this raises, results are lost: then their sources are never reported.
                settle_puts()
                failpoints.point("client.before_report")
                self._connection.send(finished.told(self._targets))
                failpoints.point("client.after_report")

    def flush(self) -> None:
        """Wait until everything reported is on disk."""
        with self._sending:
            self.report()
            number = self._connection.request(Flush)
        requests = self._connection.requests
        while not requests.answered(number):
            # A thread that waits for work reads what comes, the answer too.
            if self._getting.acquire(timeout=LOCK_S):
                try:
                    with self._connection.conversation:
                        if not requests.answered(number):
                            self._heed(self._connection.receive())
                finally:
                    self._getting.release()
        requests.answer_to(number)

    def leave(self, *, farewell: bool = True) -> None:
        """Report, say farewell and disconnect; what was got and not finished goes to others.

        Args:
            farewell: False if this process is dying of the item it holds.
        """
        try:
            with self._sending:
                self.report()
                failpoints.point("client.before_leave")
                if farewell:
                    # Without a broker there is nobody to mistake this end for a death.
                    with contextlib.suppress(PersistqError):
                        self._connection.send(Farewell())
        finally:
            # Kept open, the post would lock the next run out for as long as this process lives.
            self.close()

    def close(self) -> None:
        """Disconnect without a word."""
        if self._housekeeper is not None:
            self._housekeeper.dismiss()
        self._connection.close()
        self._post.close()

    def disown(self) -> None:
        """Disconnect in a forked child; what the parent has in hand may be this child's work."""
        if self._housekeeper is not None:
            self._housekeeper.dismiss()
        self._connection.close()
        self._post.inherit()

    # --- inside ---

    def _require_fence(self, welcome: Welcome) -> None:
        if welcome.fence != self._post.identity:
            self._connection.close()
            reason = "the file was deleted or replaced while in use: start the program again"
            raise JournalUnavailable(str(self._post.path), reason)

    def _have_looked_after(self) -> None:
        if self._housekeeper is None:
            self._housekeeper = Housekeeper(self)
        self._housekeeper.wake()

    def _await_work(self, timeout: float | None, take: Callable[[], Got]) -> Got | Ended | None:
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._getting.acquire(timeout=-1 if timeout is None else timeout):
            return None
        try:
            # Another thread, or an answer to an early request, may have brought some by now.
            while True:
                with self._connection.conversation:
                    self._heed_all(self._connection.poll())
                    answer = None if self._items else self._request(timeout, deadline)
                if answer is not None:
                    return answer if isinstance(answer, Ended) else None
                with contextlib.suppress(IndexError):  # another thread may have been quicker
                    return take()
        finally:
            self._getting.release()

    def _request(self, timeout: float | None, deadline: float | None) -> Ended | Empty | None:
        """Ask and wait; return the answer if it is not work, None if there is work now."""
        patience = Patience.NEVER if timeout == 0 else Patience.WAIT
        with self._sending:
            self.report()
            failpoints.point("client.before_take")
            self._connection.send(Take(patience, self._window.seen))
        wait_until = None if patience is Patience.NEVER else deadline
        while not self._items:
            try:
                message = self._connection.receive(_until(wait_until))
            except TimeoutError:
                self._connection.send(Cancel())
                wait_until = None
                continue
            if isinstance(message, Ended | Empty):
                return message
            self._heed(message)
        return None

    def _ask_ahead(self) -> None:
        """Ask for the next window while half of this one is left, so that work never pauses."""
        with self._sending:
            if self._window.note_asked():
                self.report()
                self._connection.send(Take(Patience.AHEAD, self._window.seen))

    def _heed_all(self, messages: list[BrokerMessage]) -> None:
        for message in messages:
            self._heed(message)

    def _heed(self, message: BrokerMessage) -> None:
        if isinstance(message, Items):
            if self._window.add(message):
                self._have_looked_after()
        elif isinstance(message, Answer):
            self._connection.requests.heed(message)


def _until(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())
