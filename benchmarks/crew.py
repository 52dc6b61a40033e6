"""Worker processes that begin together, and whose deaths are noticed."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from typing import Any, NamedTuple

START_S = 60.0


class WorkersCrashed(Exception):
    """Some worker processes ended with an error."""


class Shift(NamedTuple):
    """From when to when a crew worked, on the monotonic clock.

    Attributes:
        began: When the first one began, by its own clock: whoever let them begin may be scheduled
            again only when they have done much of the work.
        ended: When the last one had nothing left to do.
    """

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long that was."""
        return self.ended - self.began


class Crew:
    """A number of processes that run the same function.

    Args:
        workers: How many.
        work: The function; it runs when all are there.
        args: Its arguments.
        arrive: Called by each process before it is there; what it returns is the first argument.
    """

    def __init__(
        self,
        workers: int,
        work: Callable[..., object],
        *args: Any,
        arrive: Callable[[], object] | None = None,
    ) -> None:
        self._begin = multiprocessing.Barrier(workers + 1)
        self._began_at = multiprocessing.Array("d", workers)
        self._ended_at = multiprocessing.Array("d", workers)
        self._processes = [
            multiprocessing.Process(target=self._run, args=(number, arrive, work, args))
            for number in range(workers)
        ]
        for process in self._processes:
            process.start()

    def begin(self) -> None:
        """Let them work, once all of them are there."""
        self._begin.wait(START_S)

    def join(self) -> Shift:
        """Wait for their end, and return from when to when they worked.

        Raises:
            WorkersCrashed: Some did not come to their end.
        """
        for process in self._processes:
            process.join()
        codes = [process.exitcode for process in self._processes]
        if any(codes):
            raise WorkersCrashed(f"{sum(map(bool, codes))} of {len(codes)} workers crashed")
        return Shift(min(self._began_at), max(self._ended_at))

    def _run(
        self,
        number: int,
        arrive: Callable[[], object] | None,
        work: Callable[..., object],
        args: tuple[Any, ...],
    ) -> None:
        if arrive is not None:
            args = (arrive(), *args)
        self._begin.wait(START_S)
        self._began_at[number] = time.monotonic()
        last = work(*args)
        # One that polls for work says when it had its last: finding out that there is no more, by
        # waiting, is not counted against it.
        self._ended_at[number] = last if isinstance(last, float) else time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_processes": []}
