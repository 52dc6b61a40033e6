"""Keeps a slow item from holding back the quick ones behind it.

Quick items are handed out in bulk. If the handler then stays with one of them, this thread reports
what was finished before and gives the rest back, so that other consumers do it. It sleeps while
there is nothing to give back, and does not exist in consumers that get items one by one.
"""

from __future__ import annotations

import threading
import weakref
from typing import Protocol

from persistq import forking

STALL_S = 0.05
"""A consumer that has items and made no progress for this long has stalled."""


RETIRE_S = 1.0
"""A fork waits so long for a thread that is in the middle of a report."""

_at_work: weakref.WeakSet[Housekeeper] = weakref.WeakSet()


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
        self.start()

    def start(self) -> None:
        """Begin, or go on after `retire`."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="persistq-housekeeper", daemon=True)
        self._thread.start()
        _at_work.add(self)

    def retire(self) -> None:
        """End the thread and wait for its end, until `start`."""
        burdened = self._burdened.is_set()
        self._over.set()
        self._burdened.set()
        self._thread.join(RETIRE_S)
        if not burdened:
            self._burdened.clear()

    def wake(self) -> None:
        """Look after the consumer from now on, until it has nothing to give back."""
        self._burdened.set()

    def dismiss(self) -> None:
        """End the thread soon."""
        _at_work.discard(self)
        self._over.set()
        self._burdened.set()

    def _keep(self) -> None:
        over = self._over
        while not over.is_set():
            self._burdened.wait()
            seen = self._consumer.progress
            if not over.wait(STALL_S) and self._consumer.progress == seen:
                self._burdened.clear()
                if self._consumer.unburden():
                    # More may have been on its way here while this went back.
                    self._burdened.set()


def _retire_all() -> None:
    for housekeeper in list(_at_work):
        housekeeper.retire()


def _start_all() -> None:
    for housekeeper in list(_at_work):
        housekeeper.start()


forking.at_fork(
    forking.Step.THREADS,
    before=_retire_all,
    after_in_parent=_start_all,
    after_in_child=_at_work.clear,
)
