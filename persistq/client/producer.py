"""The putting side of one process.

An item put by itself is sent at once if none was sent just before; otherwise it waits up to a
millisecond for company, so that a loop of puts costs one message for hundreds of items.
"""

from __future__ import annotations

import contextlib
import threading
import time

from persistq import failpoints, forking
from persistq.client.connection import Connection
from persistq.client.handle import Handle
from persistq.errors import PersistqError, QueueClosed
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

_unsettled: set[Producer] = set()
"""The producers of this process that have put something which may not be journaled yet."""

LINGER_S = 0.001
"""How long an item may wait for company."""

TOGETHER_ITEMS = 1_000
TOGETHER_BYTES = 1 << 16
"""Items and bytes that are sent without waiting for more."""

FORK_S = 0.05
"""How long a fork waits for the end of a thread that is about to end."""

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
        self._outbox: list[tuple[int, bytes]] = []
        self._outbox_bytes = 0
        self._sent_at = 0.0
        self._late: threading.Thread | None = None
        self._sent = 0
        self._journaled = 0
        self._lock = threading.RLock()

    def put_one(self, codec: int, payload: bytes) -> None:
        """Send an encoded item, at once or within `LINGER_S` together with those that follow it.

        Crash: as for `put`; an item that still waits for company is lost with this process too.

        Raises:
            QueueClosed: The queue was sealed.
            BrokerLost: The broker is gone.
        """
        with self._lock:
            if not self._outbox:
                self._listen()
            self._refuse_if_closed()
            self._outbox.append((codec, payload))
            self._outbox_bytes += len(payload)
            _unsettled.add(self)
            if self._is_due():
                self._send_outbox()
            elif self._late is None:
                self._linger()

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
            self._send_outbox()
            with self._connection.conversation:
                self._send(codecs, payloads)

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
            with self._connection.conversation:
                return self._negotiate(offer, timeout or None)

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

    def before_fork(self) -> None:
        """Send what waits: a child must not do anything before it; and let no thread be forked."""
        with contextlib.suppress(PersistqError):
            self.push()
        if (late := self._late) is not None:
            late.join(FORK_S)

    def push(self) -> None:
        """Send what waits for company; returns when the kernel has it.

        Raises:
            BrokerLost: The broker is gone.
        """
        # Whoever keeps the lock for long has sent all before.
        if self._outbox:
            with self._lock:
                self._send_outbox()

    def say_farewell(self) -> None:
        """Leave the broker on purpose: this producer has come to its end."""
        self.push()
        self._connection.send(Farewell())
        self.close()

    def close(self) -> None:
        """Leave the broker; what was put before is not affected."""
        _unsettled.discard(self)
        self._outbox = []
        self._connection.close()

    def _is_due(self) -> bool:
        """Return whether what is in the outbox goes out now."""
        if len(self._outbox) >= TOGETHER_ITEMS or self._outbox_bytes >= TOGETHER_BYTES:
            return True
        return time.monotonic() - self._sent_at >= LINGER_S

    def _linger(self) -> None:
        """See that what is in the outbox goes out soon, whatever this thread does next."""
        self._late = threading.Thread(target=self._send_late, name="persistq-puts", daemon=True)
        try:
            self._late.start()
        except RuntimeError:
            # Python is shutting down, and starts no more threads.
            self._late = None
            self._send_outbox()

    def _send_late(self) -> None:
        while self._late is not None:
            time.sleep(LINGER_S)
            with self._lock:
                if not self._outbox:
                    self._late = None
                # If this fails, so does the next thing that is asked of this producer.
                with contextlib.suppress(Exception):
                    self._send_outbox()

    def _send_outbox(self) -> None:
        while self._outbox:
            with self._connection.conversation:
                outbox, self._outbox, self._outbox_bytes = self._outbox, [], 0
                codecs, payloads = zip(*outbox, strict=True)
                self._send(bytes(codecs), list(payloads))

    def _send(self, codecs: bytes, payloads: list[bytes]) -> None:
        # Counted first: what could not be sent is missed by `flush`, which finds the broker gone.
        self._sent += len(payloads)
        _unsettled.add(self)
        failpoints.point("client.before_put_sent")
        self._connection.send(Put(self._handle.queue_id, codecs, payloads))
        failpoints.point("client.after_put_sent")
        self._sent_at = time.monotonic()

    def _settle(self) -> None:
        self._send_outbox()
        with self._connection.conversation:
            while self._journaled < self._sent:
                self._heed(self._connection.receive())
        _unsettled.discard(self)

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
        _unsettled.add(self)
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
        elif isinstance(message, Closed):
            self._closed = True

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise QueueClosed(self._handle.name)


def _before_fork() -> None:
    for producer in list(_unsettled):
        producer.before_fork()


def settle_puts() -> None:
    """Wait until everything that this process has put, on any queue, is journaled.

    Called before an item is reported as done: its results must not be lost when the report is not.
    """
    if _unsettled:
        for producer in list(_unsettled):
            producer.flush()


# What a parent has put is the parent's to wait for.
forking.at_fork(forking.Step.PUTS, before=_before_fork, after_in_child=_unsettled.clear)
