"""SIGTERM in a worker that has something to clean up: it does so, and dies of the signal then."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM has come; whoever knows what to do at Ctrl-C knows it here as well."""


class Termination:
    """Turns SIGTERM into `Terminated`, once, in the thread that runs handlers.

    A handler that catches it goes on, and is killed a little later. In a process that a handler
    forks, the signal has its default effect.
    """

    def __init__(self) -> None:
        self._come = False
        self._raises = True
        self._stops: Callable[[], bool] = bool

    def watch(self, stops: Callable[[], bool]) -> None:
        """Take SIGTERM over from now on; once in a process.

        Args:
            stops: Called when it comes. If it returns True it ends the work by itself, and raises
                `Terminated` where that does not tear anything apart.
        """
        self._stops = stops
        signal.signal(signal.SIGTERM, self._note)
        # Python forgets what comes before its child is ready, so that comes later.
        os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_disown)

    def hold(self) -> None:
        """Raise no more, and only remember that it has come."""
        self._raises = False

    def die_if_come(self) -> None:
        """End as the signal would have ended this process, if it has come."""
        if self._come:
            _die()

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._come = True
        if self._raises:
            self._raises = False
            if not self._stops():
                raise Terminated


def _block() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


def _disown() -> None:
    # Only the main thread of a process may say so, which a fork makes of any.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _unblock()


def _die() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
