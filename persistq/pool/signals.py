"""The signals of a supervisor: those that stop it are noted here, and acted on in its loop."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from types import FrameType
from typing import Any

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalInbox:
    """Collects stop signals in place of their default effect, as a context manager.

    A handler only notes the signal and wakes the loop; a third one ends the process at once,
    because then the loop is probably what hangs. What was ignored stays so: ``nohup`` is to survive
    the terminal. Outside the main thread, where Python delivers no signals, the inbox stays empty.
    """

    def __init__(self) -> None:
        self._received: deque[int] = deque()
        self._count = 0
        self._previous: dict[int, Any] = {}
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        os.set_blocking(self._wake_read, False)

    def __enter__(self) -> SignalInbox:
        if threading.current_thread() is threading.main_thread():
            for number in WATCHED:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._note)
            # Ignored, it lets the kernel forget how children end before their parent has asked.
            if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
                self._previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return self

    def __exit__(self, *_: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        os.close(self._wake_read)
        os.close(self._wake_write)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when a signal has come."""
        return self._wake_read

    def take(self) -> list[int]:
        """Return the signals that have come since the last call."""
        try:
            os.read(self._wake_read, 4096)
        except BlockingIOError:
            return []
        taken = list(self._received)
        self._received.clear()
        return taken

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._count >= 3:
            os._exit(128 + number)
        self._received.append(number)
        os.write(self._wake_write, b"!")
