"""The signals that stop a run: they become orders, which a supervisor takes in its loop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from persistq.pool.stops import Stop

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def held(number: signal.Signals) -> Iterator[None]:
    """Have a signal to this thread, and to whom it forks, wait."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Signals:
    """Turns stop signals into orders in place of their default effect, as a context manager.

    A handler only passes the order on; at a third signal it ends the process at once, because then
    the loop is probably what hangs. What was ignored stays so: ``nohup`` is to survive the
    terminal. Outside the main thread, where Python delivers no signals, it does nothing.

    Args:
        order: Takes an order.
    """

    def __init__(self, order: Callable[[Stop], object]) -> None:
        self._order = order
        self._count = 0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in WATCHED:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._note)
            # Ignored, it lets the kernel forget how children end before their parent has asked.
            if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
                self._previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return self

    def __exit__(self, *_: object) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._count >= 3:
            os._exit(128 + number)
        self._order(Stop(signal.Signals(number).name, number))
