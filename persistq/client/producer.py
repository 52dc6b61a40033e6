"""The putting side of one process."""

from __future__ import annotations

import os
import threading

from persistq import failpoints
from persistq.broker.wire import (
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
from persistq.client.connection import Connection, Handle
from persistq.errors import QueueClosed

_unsettled: set[Producer] = set()
"""The producers of this process that have put something which may not be journaled yet."""

LOCK_S = 0.05
"""How long a flush waits for the lock before it looks whether anything is left to settle."""


class Producer:
    """Puts items on one queue; safe to use from several threads.

    Args:
        handle: The run and the queue.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._connection, welcome = Connection.dial(handle, Role.PRODUCER)
        self._closed = handle.queue_id in welcome.closed
        self._sent = 0
        self._journaled = 0
        self._lock = threading.RLock()

    def put(self, codecs: bytes, payloads: list[bytes]) -> None:
        """Hand encoded items to the broker; returns when the kernel has them.

        Crash: items that were not yet journaled when the broker dies are lost with it; `flush`
        returns when none is left in that state.

        Raises:
            QueueClosed: The queue was sealed.
            BrokerLost: The broker is gone.
        """
        with self._lock:
            self._listen()
            self._refuse_if_closed()
            failpoints.point("client.before_put_sent")
            self._connection.send(Put(self._handle.queue_id, codecs, payloads))
            self._sent += len(payloads)
            _unsettled.add(self)
            failpoints.point("client.after_put_sent")

    def offer(self, codec: int, payload: bytes, maxsize: int, timeout: float | None) -> bool:
        """Put one item on a bounded queue.

        Args:
            codec: Codec number.
            payload: The encoded item.
            maxsize: Most items that may wait in the queue.
            timeout: Longest wait for room in seconds; 0 does not wait, None waits for ever.

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
            offer = Offer(self._handle.queue_id, codec, payload, maxsize, patience)
            self._connection.send(offer)
            accepted = self._await_acceptance(timeout or None)
            self._sent += accepted
            _unsettled.add(self)
            return accepted

    def flush(self) -> None:
        """Wait until all that was put here is journaled.

        Raises:
            QueueClosed: Something was put after another process had sealed the queue.
            BrokerLost: The broker is gone.
        """
        while self in _unsettled:
            failpoints.point("client.before_flush")
            # A thread that waits for room keeps the lock for long, and has settled all before.
            if self._lock.acquire(timeout=LOCK_S):
                try:
                    self._settle()
                finally:
                    self._lock.release()

    def say_farewell(self) -> None:
        """Leave the broker on purpose: this producer has come to its end."""
        self._connection.send(Farewell())
        self.close()

    def close(self) -> None:
        """Leave the broker; what was put before is not affected."""
        _unsettled.discard(self)
        self._connection.close()

    def _settle(self) -> None:
        while self._journaled < self._sent:
            self._heed(self._connection.receive())
        _unsettled.discard(self)

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
        for message in self._connection.poll():
            self._heed(message)

    def _heed(self, message: BrokerMessage) -> None:
        if isinstance(message, Journaled):
            self._journaled = message.total
        elif isinstance(message, Closed):
            self._closed = True

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise QueueClosed(self._handle.name)


def settle_puts() -> None:
    """Wait until everything that this process has put, on any queue, is journaled.

    Called before an item is reported as done: its results must not be lost when the report is not.
    """
    if _unsettled:
        for producer in list(_unsettled):
            producer.flush()


# What a parent has put is the parent's to wait for.
os.register_at_fork(after_in_child=_unsettled.clear)
