"""The getting side of one process."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from persistq import failpoints
from persistq.blocks import Block
from persistq.client.connection import Connection
from persistq.client.handle import Handle
from persistq.client.housekeeper import Housekeeper
from persistq.client.outputs import Made, Routed
from persistq.client.producer import LOCK_S, settle_puts
from persistq.client.report import Report
from persistq.client.timing import Timing
from persistq.client.window import Delivery, Window
from persistq.errors import JournalUnavailable, PersistqError
from persistq.items import IdRange, queue_of, ranges_of
from persistq.keys import ItemKeys
from persistq.site.fence import disinherit
from persistq.wire.messages import (
    Answer,
    Apart,
    BrokerMessage,
    Cancel,
    Checkpoint,
    Deferred,
    Dropped,
    Empty,
    Ended,
    Failed,
    Farewell,
    Flush,
    GiveBack,
    Items,
    LastCheckpoint,
    Patience,
    Rest,
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
        at_once: How many are worked on at the same time; see `persistq.client.concurrent`.

    Attributes:
        at_once: The same.
        keys: Makes the keys of the items that come here.
        hold: Notes which item is being worked on, 0 for none, so that a death is blamed on it; and
            since when, on the monotonic clock, which only a supervisor needs.
    """

    def __init__(
        self, handle: Handle, targets: Sequence[int] = (), together: int = 1, at_once: int = 1
    ) -> None:
        disinherit()
        # The lock of the fence comes first: a consumer that got work must not be overlooked.
        self._post = handle.site.post()
        try:
            self._connection, welcome = Connection.dial(
                handle, Role.CONSUMER, together=together, at_once=at_once
            )
            self._require_fence(welcome)
        except BaseException:
            self._post.close()
            raise
        self.keys = ItemKeys(welcome.put_spans)
        self.at_once = at_once
        self._post.occupy(welcome.slot)
        self._post.occupy_more(welcome.more_slots)
        # Whoever is interrupted lives on: no item is to blame.
        self._connection.stream.before_tear = self._post.hold_none
        self.hold = self._post.hold
        self._window = Window()
        self._items = self._window.items
        self._report = Report(handle.ack_interval)
        self._timing = Timing(welcome.slow_after)
        self._targets = targets
        self._getting = threading.Lock()
        self._sending = threading.RLock()
        self._housekeeper: Housekeeper | None = None

    @property
    def item_at_work(self) -> int:
        """The item that is being worked on; 0 if it is none, or one of several."""
        try:
            held = self._post.held
        except ValueError:
            # It has left.
            return 0
        return held if queue_of(held) else 0

    @property
    def attempt_at_work(self) -> int:
        """Which attempt at that item this is, from 1; 0 if there is none."""
        item_id = self.item_at_work
        return self._window.failed.get(item_id, 0) + 1 if item_id else 0

    def extend(self, item_id: int, until: float) -> None:
        """Ask for more time for what is being worked on: an item, or the batch that it is in.

        Crash: who is dead needs none.

        Args:
            item_id: The item. If another one is being worked on, nothing is done.
            until: Until when, at least, on the monotonic clock, in seconds.
        """
        # The post is closed when this has left.
        with contextlib.suppress(ValueError):
            held = self._post.held
            if held == item_id or (held and not queue_of(held)):
                self._post.extend(until)

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

    def done(self, item_id: int, started: float, now: float, made: Made | Routed = ()) -> None:
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

    def spool(self, item_id: int, blocks: list[Block], queue_id: int = 0) -> None:
        """Hand over some of what is made of an item while it is worked on; waits for the socket.

        Crash: what was spooled is void, unless the item's report was sent as well.

        Args:
            item_id: The item.
            blocks: What was made, in order, at least one.
            queue_id: The queue that gets it; 0 is each that the stage feeds.
        """
        with self._sending, self._connection.conversation:
            # Apart from what was finished before or is after it: outputs keep their items' order.
            self.report()
            failpoints.point("client.before_spool")
            self._connection.send(Spool(item_id, blocks, queue_id))
            failpoints.point("client.after_spool")
            self._report.due_at = 0.0

    def stream(self, item_id: int, blocks: list[Block], queue_id: int = 0, *, first: bool) -> None:
        """Have some of what is made of an item put while it is worked on; waits for the socket.

        Crash: what the broker has got is put, and another attempt at the item may put it again.

        Args:
            item_id: The item.
            blocks: What was made, in order, at least one.
            queue_id: The queue that gets it; 0 is each that the stage feeds.
            first: Whether this attempt has put nothing before.
        """
        with self._sending, self._connection.conversation:
            self.report()
            failpoints.point("client.before_stream")
            self._connection.send(Stream(item_id, blocks, first, queue_id))
            failpoints.point("client.after_stream")

    def failed(
        self,
        item_id: int | Sequence[int],
        error_type: str,
        message: str,
        traceback: str,
        retry_after: float | None = None,
        *,
        final: bool = False,
    ) -> None:
        """Report that an attempt at one item, or several, failed; the broker decides on them."""
        with self._sending:
            self.report()
            ids = _ranges(item_id)
            self._connection.send(Failed(ids, error_type, message, traceback, retry_after, final))

    def deferred(
        self,
        item_id: int | Sequence[int],
        error_type: str,
        message: str,
        seconds: float | None = None,
    ) -> None:
        """Report that an item, or several, are put off.

        Crash: if this was not sent, the item is handed out again as what the dead held is.
        """
        with self._sending:
            self.report()
            failpoints.point("client.before_defer")
            ids = _ranges(item_id)
            self._connection.send(Deferred(ids, error_type, message, seconds))

    def apart(self, item_ids: Sequence[int], error_type: str, message: str) -> None:
        """Report that each of these items should be tried alone.

        Crash: if this was not sent, they are handed out again as what the dead held is.
        """
        with self._sending:
            self.report()
            failpoints.point("client.before_apart")
            self._connection.send(Apart(ranges_of([*item_ids]), error_type, message))

    def dropped(self, item_id: int | Sequence[int], reason: str) -> None:
        """Report that an item, or several, need no work."""
        with self._sending:
            self.report()
            self._connection.send(Dropped(_ranges(item_id), reason))

    def rest(self, item_ids: Sequence[int], reason: str, seconds: float | None = None) -> None:
        """Give items back, none of which is to blame, and have the stage rest for a while.

        What was not begun here goes back as well.

        Crash: the items are handed out again, as what a dead process held is.

        Args:
            item_ids: The items.
            reason: What is shown.
            seconds: How long; None leaves that to the broker, which doubles it each time.
        """
        with self._getting, self._sending:
            self.report()
            failpoints.point("client.before_rest")
            unstarted, _ = self._window.take_back()
            # First, so that the items are not handed out between the two.
            self._connection.send(Rest(reason, seconds))
            self._connection.send(GiveBack([*ranges_of(item_ids), *unstarted]))

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
                self._timing.note(finished)
                failpoints.point("client.before_report")
                if self._report.due_at >= self._timing.due_at:
                    self._tell_times()
                self._connection.send(finished.told(self._targets))
                failpoints.point("client.after_report")

    def _tell_times(self) -> None:
        """Tell how long it took.

        Crash: what was not told is missing in the histogram, and nothing goes by that.
        """
        if (timed := self._timing.take()) is not None:
            self._connection.send(timed)

    def flush(self) -> None:
        """Wait until everything reported is on disk."""
        with self._sending:
            self.report()
            number = self._connection.request(Flush)
        self._await_answer(number)

    def checkpoint(self, item_id: int, value: Block) -> bool:
        """Record how far work on an item has come; returns when that is on disk.

        Crash: the next attempt learns of this checkpoint, or of the one before.

        Args:
            item_id: The item.
            value: The handler's own value, as a block of one.

        Returns:
            Whether the item is still this consumer's; if not, nothing is recorded.
        """
        with self._sending:
            self.report()
            failpoints.point("client.before_checkpoint")
            number = self._connection.request(Checkpoint, item_id, value)
        held: bool = self._await_answer(number)
        failpoints.point("client.after_checkpoint")
        return held

    def last_checkpoint(self, item_id: int) -> Block | None:
        """Return what `checkpoint` has recorded last for an item, None if nothing."""
        with self._sending:
            number = self._connection.request(LastCheckpoint, item_id)
        found = self._await_answer(number)
        return None if found is None else Block(*found)

    def _await_answer(self, number: int) -> Any:
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
        return requests.answer_to(number)

    def leave(self, *, farewell: bool = True) -> None:
        """Report, say farewell and disconnect; what was got and not finished goes to others.

        Args:
            farewell: False if this process is dying of the item it holds.
        """
        try:
            with self._sending:
                self.report()
                self._tell_times()
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
        began = time.monotonic()
        try:
            return self._await_answer_to_take(wait_until)
        finally:
            self._timing.note_wait(time.monotonic() - began)

    def _await_answer_to_take(self, wait_until: float | None) -> Ended | Empty | None:
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


def _ranges(item_id: int | Sequence[int]) -> list[IdRange]:
    return [IdRange(item_id, item_id)] if isinstance(item_id, int) else ranges_of(item_id)


def _until(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())
