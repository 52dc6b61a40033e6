"""The putting side of one process."""

from __future__ import annotations

import contextlib
import threading

from persistq import failpoints, forking
from persistq.blocks import Block, block_of
from persistq.client.connection import Connection
from persistq.client.handle import Handle
from persistq.client.outbox import Outbox
from persistq.errors import PersistqError, QueueClosed
from persistq.items import ITEMS_PER_QUEUE_MAX
from persistq.wire.messages import (
    Accepted,
    BrokerMessage,
    Cancel,
    Closed,
    Farewell,
    Journaled,
    Offer,
    Patience,
    Put,
    Role,
)

NO_LIMITS = (-1, -1)

unsettled: set[Producer] = set()
"""The producers of this process that have put something which may not be journaled yet."""

LOCK_S = 0.05
"""How long a flush waits for the lock before it looks whether anything is left to settle."""


class Producer:
    """Puts items on one queue; safe to use from several threads.

    Args:
        handle: The run and the queue.
        waits: Whether it waits while the queue may hold no more, where it has a limit.

    Attributes:
        cursor: How far the source before this one has come, as a block of one; None if unknown.
    """

    def __init__(self, handle: Handle, *, waits: bool = True) -> None:
        self._handle = handle
        self._connection, welcome = Connection.dial(handle, Role.PRODUCER)
        self.cursor = welcome.cursor
        self._closed = handle.queue_id in welcome.closed
        self._limits = welcome.limits if waits else NO_LIMITS
        self._sent = 0
        self._sent_bytes = 0
        self._journaled = 0
        self._lock = threading.RLock()
        self._outbox = Outbox(self._send_outbox, self._lock)

    def put_one(
        self,
        codec: int,
        payload: bytes,
        cursor: Block | None = None,
        digest: bytes | None = None,
        rank: int | None = None,
        due: int | None = None,
    ) -> None:
        """Send an encoded item, at once or a moment later together with those that follow it.

        Crash: as for `put`; an item that still waits for company is lost with this process too. Its
        cursor is recorded with it, or neither is.

        Args:
            codec: Codec number.
            payload: The encoded item.
            cursor: How far the source has come with it, as a block of one.
            digest: Of its natural key, where the items of the queue have such.
            rank: Its place in the order of the queue, where that has one.
            due: Until when it waits there, in milliseconds since 1970; None if it does not.

        Raises:
            QueueClosed: The queue was sealed.
            BrokerLost: The broker is gone.
        """
        with self._lock:
            if not self._outbox.waiting:
                self._listen()
                self._await_room()
                # It stays there as long as anything waits.
                unsettled.add(self)
            self._refuse_if_closed()
            self._outbox.add(codec, payload, cursor, digest, rank, due)

    def put(self, blocks: list[Block]) -> None:
        """Hand encoded items to the broker in one message; returns when the kernel has them.

        Crash: items that were not yet journaled when the broker dies are lost with it; `flush`
        returns when none is left in that state.

        Raises:
            QueueClosed: The queue was sealed.
            BrokerLost: The broker is gone.
        """
        with self._lock:
            self._listen()
            self._refuse_if_closed()
            self._send_outbox()
            self._await_room()
            with self._connection.conversation:
                self._send(blocks)

    def room(self) -> int:
        """Wait until the queue may hold more; return how many more items, at least one.

        Raises:
            BrokerLost: The broker is gone.
        """
        with self._lock:
            self._listen()
            self._await_room()
            items, _ = self._limits
            return ITEMS_PER_QUEUE_MAX if items < 0 else max(1, items - self._sent)

    def offer(
        self,
        codec: int,
        payload: bytes,
        maxsize: int,
        timeout: float | None,
        due: int | None = None,
    ) -> bool:
        """Put one item on a bounded queue.

        Args:
            codec: Codec number.
            payload: The encoded item.
            maxsize: Most items that may wait in the queue.
            timeout: Longest wait for room in seconds; 0 does not wait, None waits for ever.
            due: Until when it waits in the queue, in milliseconds since 1970.

        Returns:
            False if there was no room in time.
        """
        with self._lock:
            # Others who get wait for what was put here, so nothing may be left to wait for while
            # this thread has the lock and waits for room.
            self.flush()
            self._listen()
            self._refuse_if_closed()
            patience = Patience.NEVER if timeout == 0 else Patience.WAIT
            block = block_of(codec, [payload])._replace(due=due)
            offer = Offer(self._handle.queue_id, block, maxsize, patience)
            with self._connection.conversation:
                return self._negotiate(offer, timeout or None)

    def flush(self) -> None:
        """Wait until all that was put here is journaled.

        Raises:
            QueueClosed: Something was put after another process had sealed the queue.
            BrokerLost: The broker is gone.
        """
        while self in unsettled:
            failpoints.point("client.before_flush")
            # A thread that waits for room keeps the lock for long, and has settled all before.
            if self._lock.acquire(timeout=LOCK_S):
                try:
                    self._settle()
                finally:
                    self._lock.release()

    def before_fork(self) -> None:
        """Send what waits: a child must not do anything before it; and let no thread be forked."""
        with contextlib.suppress(PersistqError):
            self.push()
        self._outbox.await_thread()

    def push(self) -> None:
        """Send what waits for company; returns when the kernel has it.

        Raises:
            BrokerLost: The broker is gone.
        """
        # Whoever keeps the lock for long has sent all before.
        if self._outbox.waiting:
            with self._lock:
                self._send_outbox()

    def say_farewell(self) -> None:
        """Leave the broker on purpose: this producer has come to its end."""
        self.push()
        self._connection.send(Farewell())
        self.close()

    def cut(self) -> None:
        """End it from any thread: who puts, or waits for room, finds the broker gone.

        Crash: what was not journaled is put again by the source, when it is called again.
        """
        self._connection.cut()

    def close(self) -> None:
        """Leave the broker; what was put before is not affected."""
        unsettled.discard(self)
        self._outbox.clear()
        self._connection.close()

    def _send_outbox(self) -> None:
        while self._outbox.waiting:
            with self._connection.conversation:
                self._send(*self._outbox.take())

    def _send(self, blocks: list[Block], cursor: Block | None = None) -> None:
        # Counted first: what could not be sent is missed by `flush`, which finds the broker gone.
        self._sent += sum(block.count for block in blocks)
        self._sent_bytes += sum(len(block.data) for block in blocks)
        unsettled.add(self)
        failpoints.point("client.before_put_sent")
        self._connection.send(Put(self._handle.queue_id, blocks, cursor))
        failpoints.point("client.after_put_sent")
        self._outbox.note_sent()

    def _await_room(self) -> None:
        """Wait while the queue may hold no more; what waits for company may be as much as fits.

        Crash: nothing that is waited for here was taken from the source.
        """
        if self._limits[0] < 0:
            return
        with self._connection.conversation:
            while not self._has_room():
                self._heed(self._connection.receive())
        items, size = self._limits
        self._outbox.limit(items - self._sent, size - self._sent_bytes)

    def _has_room(self) -> bool:
        items, size = self._limits
        return self._closed or (self._sent < items and self._sent_bytes < size)

    def _settle(self) -> None:
        self._send_outbox()
        with self._connection.conversation:
            while self._journaled < self._sent:
                self._heed(self._connection.receive())
        unsettled.discard(self)

    def _negotiate(self, offer: Offer, timeout: float | None) -> bool:
        self._connection.send(offer)
        try:
            accepted = self._await_acceptance(timeout)
        except BaseException as error:
            if not isinstance(error, PersistqError):
                # The answer is still on its way, and would be taken for that to the next offer.
                self._connection.stream.tear()
            raise
        self._sent += accepted
        unsettled.add(self)
        return accepted

    def _await_acceptance(self, timeout: float | None) -> bool:
        while True:
            try:
                message = self._connection.receive(timeout)
            except TimeoutError:
                self._connection.send(Cancel())
                timeout = None
                continue
            if isinstance(message, Accepted):
                return message.ok
            self._heed(message)

    def _listen(self) -> None:
        with self._connection.conversation:
            for message in self._connection.poll():
                self._heed(message)

    def _heed(self, message: BrokerMessage) -> None:
        if isinstance(message, Journaled):
            self._journaled = message.total
            self._heed_limits(message)
        elif isinstance(message, Closed):
            self._closed = True

    def _heed_limits(self, message: Journaled) -> None:
        if self._limits[0] >= 0:
            # What is on its way there was counted against the limit of before.
            items, size = self._limits
            self._limits = max(items, message.items_limit), max(size, message.bytes_limit)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise QueueClosed(self._handle.name)


def _before_fork() -> None:
    for producer in list(unsettled):
        producer.before_fork()


def settle_puts() -> None:
    """Wait until everything that this process has put, on any queue, is journaled.

    Called before an item is reported as done: its results must not be lost when the report is not.
    """
    if unsettled:
        for producer in list(unsettled):
            producer.flush()


# What a parent has put is the parent's to wait for.
forking.at_fork(forking.Step.PUTS, before=_before_fork, after_in_child=unsettled.clear)
