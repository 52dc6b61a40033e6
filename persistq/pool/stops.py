"""Orders to stop a run: by a signal, or by the program itself from any of its threads."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stop:
    """One order to stop.

    Attributes:
        by: Who gives it, as people are told: ``SIGTERM``, ``stop()``.
        signal: The signal's number; 0 if it is none.
        grace: How long items in flight may go on, in seconds; None takes ``shutdown_grace``.
    """

    by: str
    signal: int = 0
    grace: float | None = None

    @property
    def reason(self) -> str:
        """Why a run has ended that was stopped so."""
        return f"interrupted by {self.by}"


class Stopped(KeyboardInterrupt):
    """An inline run is to end; whoever knows what to do at Ctrl-C knows it here as well."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop)
        self.stop = stop


class Stops:
    """Orders that have come and were not taken; who waits for one waits for `fileno`.

    To order takes no lock, so handlers of signals may.
    """

    def __init__(self) -> None:
        self._ordered: deque[Stop] = deque()
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def __del__(self) -> None:
        # Not earlier: whoever orders when the run is over must not write to what is open instead.
        os.close(self._read)
        os.close(self._write)

    def __bool__(self) -> bool:
        return bool(self._ordered)

    def order(self, stop: Stop) -> None:
        """Give an order; when the run is over it has no effect."""
        self._ordered.append(stop)
        # If so many have come that no byte fits, whoever waits wakes up anyway.
        with suppress(BlockingIOError):
            os.write(self._write, b"!")

    def fileno(self) -> int:
        """Return the descriptor that is readable while orders wait."""
        return self._read

    def take(self) -> list[Stop]:
        """Return the orders that have come since the last call."""
        with suppress(BlockingIOError):
            os.read(self._read, 4096)
        return [self._ordered.popleft() for _ in range(len(self._ordered))]
