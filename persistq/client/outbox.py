"""Items that were put and wait a moment for company, so that hundreds share a message.

An item put by itself is sent at once if none was sent just before; otherwise it waits up to a
millisecond, in which a loop of puts has put hundreds.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from persistq.blocks import ITEMS_MAX, Block
from persistq.client.outputs import Encoded, blocks_of_run, blocks_on_terms

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
        self.waiting: list[Encoded] = []
        self.items_max, self.bytes_max = TOGETHER_ITEMS, TOGETHER_BYTES
        self._bytes = 0
        self._cursor: tuple[int, Block] | None = None
        self._on_terms = False
        self._sent_at = 0.0
        self._late: threading.Thread | None = None

    def add(
        self,
        codec: int,
        payload: bytes,
        cursor: Block | None = None,
        digest: bytes | None = None,
        rank: int | None = None,
        due: int | None = None,
    ) -> None:
        """Add an encoded item, and send what waits if it is enough, or if nothing was sent of late.

        Crash: what waits is lost with this process.

        Args:
            codec: Codec number.
            payload: The item.
            cursor: How far its source has come with it; only the last one of all that wait counts.
            digest: Of its natural key; all items that are added have one, or none has.
            rank: Its place in the order of its queue.
            due: Until when it waits there, in milliseconds since 1970.
        """
        # In one step: an interruption must not leave half of it. No cursor goes before its item.
        if rank is not None or due is not None:
            self._on_terms = True
            self.waiting.append((codec, payload, digest, rank, due))
        else:
            self.waiting.append((codec, payload) if digest is None else (codec, payload, digest))
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
        blocks = blocks_on_terms(taken) if self._on_terms else blocks_of_run(taken)
        self.clear()
        self.waiting = rest
        return blocks, cursor

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
