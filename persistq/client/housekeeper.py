"""Keeps a slow item from holding back the quick ones behind it.

Quick items are handed out in bulk. If the handler then stays with one of them, this thread reports
what was finished before and gives the rest back, so that other consumers do it. It sleeps while
there is nothing to give back, and does not exist in consumers that get items one by one.
"""

from __future__ import annotations

import threading
from typing import Protocol

STALL_S = 0.05
"""A consumer that has items and made no progress for this long has stalled."""


class Kept(Protocol):
    """What is kept in order: a consumer."""

    @property
    def progress(self) -> int:
        """A number that changes whenever an item is got."""

    def unburden(self) -> bool:
        """Report what is finished, give back what was not started; whether there was any."""


class Housekeeper:
    """A thread that unburdens a consumer when it stalls.

    Args:
        consumer: The consumer.
    """

    def __init__(self, consumer: Kept) -> None:
        self._consumer = consumer
        self._burdened = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._keep, name="persistq-housekeeper", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look after the consumer from now on, until it has nothing to give back."""
        self._burdened.set()

    def dismiss(self) -> None:
        """End the thread soon."""
        self._over = True
        self._burdened.set()

    def _keep(self) -> None:
        pause = threading.Event()
        while not self._over:
            self._burdened.wait()
            seen = self._consumer.progress
            pause.wait(STALL_S)
            if self._consumer.progress == seen and not self._over:
                self._burdened.clear()
                if self._consumer.unburden():
                    # More may have been on its way here while this went back.
                    self._burdened.set()
