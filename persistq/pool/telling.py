"""What children tell their supervisor, in messages of any length through a pipe.

A message goes in parts that a pipe takes whole, so that a child that is killed leaves none that is
torn, and whoever reads never waits for the rest of one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Final

PART_BYTES: Final = 4_000
"""A pipe takes so much at one stroke everywhere, with the length in front (``PIPE_BUF``)."""

_FIRST: Final = b"{"
_MIDDLE: Final = b"+"
_LAST: Final = b"}"
_WHOLE: Final = b"="
_PARTS: Final = frozenset({_FIRST, _MIDDLE, _LAST})


class Teller:
    """A child's end.

    Args:
        pipe: Where to tell it. Threads take turns; a process that was forked since tells nothing.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._pid = os.getpid()
        self._lock = threading.RLock()

    @property
    def is_own(self) -> bool:
        """Whether this process is the one that the supervisor listens to."""
        return os.getpid() == self._pid

    def tell(self, message: bytes) -> None:
        """Send a message; one that nobody reads any more is lost.

        Crash: the message is told whole, or not at all.
        """
        with self._lock:
            try:
                for part in _parts(message):
                    self._pipe.send_bytes(part)
            except OSError:
                # The supervisor is gone, and this process will be told soon.
                return


class Hearer:
    """The supervisor's end: puts the parts of a child's messages together."""

    def __init__(self) -> None:
        self._begun = b""

    def heard(self, part: bytes) -> bytes | None:
        """Return a message that is whole with this part, None if more is to come."""
        kind, rest = part[:1], part[1:]
        if kind == _WHOLE:
            return rest
        if kind not in _PARTS:
            # A word, which is short.
            return part
        # What was interrupted in the middle is begun anew, if at all.
        self._begun = rest if kind == _FIRST else self._begun + rest
        return self._begun if kind == _LAST else None


def _parts(message: bytes) -> Iterator[bytes]:
    if len(message) <= PART_BYTES:
        yield _WHOLE + message
        return
    last = (len(message) - 1) // PART_BYTES * PART_BYTES
    for start in range(0, len(message), PART_BYTES):
        kind = _FIRST if start == 0 else _LAST if start == last else _MIDDLE
        yield kind + message[start : start + PART_BYTES]
