"""Items that were put and wait a moment for company, so that hundreds share a message.

An item put by itself is sent at once if none was sent just before; otherwise it waits up to a
millisecond, in which a loop of puts has put hundreds.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from persistq.blocks import ITEMS_MAX, Block, blocks_of

LINGER_S = 0.001
"""How long an item may wait for company."""

TOGETHER_ITEMS = ITEMS_MAX
TOGETHER_BYTES = 1 << 16
"""Items and bytes that are sent without waiting for more."""

FORK_S = 0.05
"""How long a fork waits for the end of a thread that is about to end."""


class Outbox:
    """What waits, and the thread that sends it if nobody else does; used under its lock.

    The thread lives for a burst of puts.

    Args:
        send: Takes what waits out of here, and sends it.
        lock: Held by whoever changes the outbox, and taken by the thread.

    Attributes:
        waiting: The encoded items.
        items_max: So many are sent without waiting for more.
        bytes_max: So many bytes are.
    """

    def __init__(self, send: Callable[[], None], lock: threading.RLock) -> None:
        self._send = send
        self._lock = lock
        self.waiting: list[tuple[int, bytes]] = []
        self.items_max, self.bytes_max = TOGETHER_ITEMS, TOGETHER_BYTES
        self._bytes = 0
        self._cursor: tuple[int, Block] | None = None
        self._sent_at = 0.0
        self._late: threading.Thread | None = None

    def add(self, codec: int, payload: bytes, cursor: Block | None = None) -> None:
        """Add an encoded item, and send what waits if it is enough, or if nothing was sent of late.

        Crash: what waits is lost with this process.

        Args:
            codec: Codec number.
            payload: The item.
            cursor: How far its source has come with it; only the last one of all that wait counts.
        """
        # In one step: an interruption must not leave half of it. No cursor goes before its item.
        self.waiting.append((codec, payload))
        if cursor is not None:
            self._cursor = len(self.waiting), cursor
        self._bytes += len(payload)
        if self._is_due():
            self._send()
        elif self._late is None:
            self._linger()

    def limit(self, items: int, size: int) -> None:
        """Send what waits as soon as it is so many items or bytes, or what is usual if less."""
        self.items_max, self.bytes_max = min(TOGETHER_ITEMS, items), min(TOGETHER_BYTES, size)

    def take(self) -> tuple[list[Block], Block | None]:
        """Take out what is to be sent now: all, as blocks, or that up to the cursor, and it."""
        count, cursor = self._cursor or (len(self.waiting), None)
        taken, rest = self.waiting[:count], self.waiting[count:]
        codecs, payloads = zip(*taken, strict=True)
        self.clear()
        self.waiting = rest
        return blocks_of(codecs, payloads), cursor

    def note_sent(self) -> None:
        """Note that something was sent: what comes just after it waits."""
        self._sent_at = time.monotonic()

    def clear(self) -> None:
        """Forget what waits."""
        self.waiting, self._bytes, self._cursor = [], 0, None

    def await_thread(self) -> None:
        """Wait for the end of the thread, which is about to end: nothing waits any more."""
        if (late := self._late) is not None:
            late.join(FORK_S)

    def _is_due(self) -> bool:
        """Return whether what waits goes out now."""
        if len(self.waiting) >= self.items_max or self._bytes >= self.bytes_max:
            return True
        return time.monotonic() - self._sent_at >= LINGER_S

    def _linger(self) -> None:
        """See that what waits goes out soon, whatever this thread does next."""
        self._late = threading.Thread(target=self._send_late, name="persistq-puts", daemon=True)
        try:
            self._late.start()
        except RuntimeError:
            # Python is shutting down, and starts no more threads.
            self._late = None
            self._send()

    def _send_late(self) -> None:
        while self._late is not None:
            time.sleep(LINGER_S)
            with self._lock:
                if not self.waiting:
                    self._late = None
                # If this fails, so does the next thing that is asked of this producer.
                with contextlib.suppress(Exception):
                    self._send()
