"""The child processes of one supervisor, by place: who should be there and who is."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pickle import PicklingError
from typing import Any

from persistq import failpoints, forking
from persistq.errors import UsageError
from persistq.origin import current_directory
from persistq.pool.capture import LOGGED, PRINTED
from persistq.pool.child import Word, complaint_in
from persistq.pool.endings import Ending, OomWatch, ending_of
from persistq.pool.raised import raised_in
from persistq.pool.signals import held
from persistq.pool.telling import Hearer
from persistq.text.streams import hidden_if_broken

FAREWELLS = frozenset({Word.OVER, Word.RECYCLED})
"""What a child says when everything is reported, before it cleans up."""

SWEEP_S = 1.0
"""Children are looked after at least this often: a grandchild may hold a sentinel open."""

DEAF_S = 0.02
"""The same for a child whose sentinel tells nothing any more."""

RESTART_DELAY_S = 0.1
RESTART_DELAY_MAX_S = 10.0
"""The second child in a row that could not start is replaced after twice the first, and so on."""


@dataclass(slots=True)
class Place:
    """One place to fill: a worker of a stage, or the source.

    Attributes:
        name: Shown in process lists and messages.
        target: The child's main function.
        args: Its arguments.
        source: Whether it is a source, which ends when it has put all.
        source_id: Which one.
        polls: Whether it is asked for items until it is told to end.
        limit: How long one attempt may take, in seconds; None means without limit.
        queue_id: The queue whose items a worker takes; None for a source.
        stage: The stage that it works for, empty for a source.
        process: The child, if there is one.
        hears: What the child says of itself, see `persistq.pool.child.Word`.
        failed_starts: Children that ended before they were ready, one after the other.
        complaint: Why the last one could not start, or not clean up, if that is known.
        deaths: Children that died at all.
        restart_at: When to fill the place again.
        deaf: Whether the child's sentinel is ready although it lives, so that waiting for that
            would be no waiting.
        left: Whether the last child to end here has left on purpose: its work was over, or it has
            done its share.
        leaving: Since when the child is about to leave, on the monotonic clock; None if it is not.
        words: What the child has said of itself.
        told: What it has printed and logged, and nobody has heard of yet.
        hearer: Puts what it says together.
        over: Whether the place is to stay empty.
        raised: What the last child here has raised, if it is a source that told that; see
            `persistq.pool.raised`.
    """

    name: str
    target: Callable[..., None]
    args: tuple[Any, ...]
    source: bool = False
    source_id: int = 0
    polls: bool = False
    limit: float | None = None
    queue_id: int | None = None
    stage: str = ""
    process: BaseProcess | None = None
    hears: Connection | None = None
    failed_starts: int = 0
    complaint: str = ""
    deaths: int = 0
    restart_at: float = 0.0
    deaf: bool = False
    left: bool = False
    leaving: float | None = None
    words: list[bytes] = field(default_factory=list)
    told: list[bytes] = field(default_factory=list)
    hearer: Hearer = field(default_factory=Hearer)
    over: bool = False
    raised: bytes = b""


@dataclass(slots=True)
class Crew:
    """Starts, watches, replaces and stops the children.

    Attributes:
        start_method: ``fork``, ``spawn``, ``forkserver`` or None for Python's default.
        places: The places to fill.
    """

    start_method: str | None
    places: list[Place] = field(default_factory=list)
    _oom: OomWatch = field(default_factory=OomWatch)

    @property
    def context(self) -> BaseContext:
        """The multiprocessing context of the start method."""
        return multiprocessing.get_context(self.start_method)

    def fill(self, now: float) -> list[Place]:
        """Start a child at every place that is due.

        Crash: a child dies with its supervisor.

        Returns:
            The places for which the system has no process now; they are due again later.

        Raises:
            UsageError: A handler cannot be sent to a child under this start method.
        """
        due = [p for p in self.places if p.process is None and not p.over and p.restart_at <= now]
        return [place for place in due if not self._try_start(place, now)]

    def _try_start(self, place: Place, now: float) -> bool:
        try:
            with forking.starting:
                self._start(place)
        except (OSError, EOFError) as error:
            place.failed_starts += 1
            place.complaint = _reason(error)
            self._schedule(place, now)
            return False
        return True

    def _start(self, place: Place) -> None:
        failpoints.point("supervisor.before_start_worker")
        hears, tells = self.context.Pipe(duplex=False)
        # `Process` exists on every context; its base class just does not say so.
        process = self.context.Process(  # type: ignore[attr-defined]
            target=place.target, args=(*place.args, os.getpid(), tells), name=place.name
        )
        try:
            with hidden_if_broken(), self._signals_kept():
                process.start()
        except (AttributeError, TypeError, ValueError, ImportError, PicklingError) as error:
            hears.close()
            raise UsageError(
                f"{place.name} cannot be started: {error}; define handlers at the top level of a "
                "module, so that a new process can import them"
            ) from error
        except (OSError, EOFError):
            hears.close()
            raise
        finally:
            tells.close()
        place.process, place.hears, place.deaf, place.raised = process, hears, False, b""
        failpoints.point("supervisor.after_start_worker")

    def _signals_kept(self) -> contextlib.AbstractContextManager[None]:
        """Have SIGTERM wait until a fork has become a child, see `become_child`.

        Until then it would take the signal as this process does, or Python would forget it. Other
        children begin with signals of their own.
        """
        if self.context.get_start_method() == "fork":
            return held(signal.SIGTERM)
        return contextlib.nullcontext()

    def reap(self, now: float) -> Iterator[tuple[Place, Ending]]:
        """Yield each place whose child has ended, and how."""
        for place in self.places:
            ending = self._ending_at(place)
            if ending is not None:
                words = _clear(place)
                place.left = not FAREWELLS.isdisjoint(words)
                if ending.code or (ending.code is None and not place.left):
                    _end_leftovers(ending.pid)
                place.over |= Word.OVER in words
                place.complaint, place.raised = complaint_in(words), raised_in(words)
                place.failed_starts = 0 if Word.READY in words else place.failed_starts + 1
                self._schedule(place, now)
                yield place, ending

    def _ending_at(self, place: Place) -> Ending | None:
        if place.process is None:
            return None
        ending = ending_of(place.process, self._oom)
        # It has closed its end of the pipe, be it a moment before it ends or long before.
        place.deaf = ending is None and bool(connection.wait([place.process.sentinel], 0))
        return ending

    def _schedule(self, place: Place, now: float) -> None:
        place.deaths += not (place.over or place.left)
        # A worker that was at work died of its item, which is dealt with; there is no need to wait.
        strikes = place.deaths if place.source else place.failed_starts
        delay = RESTART_DELAY_S * 2.0 ** (strikes - 1) if strikes > 1 else 0.0
        place.restart_at = now + min(delay, RESTART_DELAY_MAX_S)

    def sentinels(self) -> list[int]:
        """Return descriptors that become ready when children end."""
        return [p.process.sentinel for p in self.places if p.process is not None and not p.deaf]

    def ears(self) -> list[Connection]:
        """Return what becomes ready when children say something."""
        return [p.hears for p in self.places if p.hears is not None and not p.hears.closed]

    def listen(self, now: float) -> None:
        """Hear what children have said."""
        for place in self.places:
            _listen(place)
            if place.leaving is None and not FAREWELLS.isdisjoint(place.words):
                place.leaving = now

    def told(self) -> Iterator[tuple[str, str, bytes]]:
        """Yield what workers have printed and logged since: the place, its stage, the message."""
        for place in self.places:
            told, place.told = place.told, []
            yield from ((place.name, place.stage, message) for message in told)

    def lingering(self, now: float, patience: float) -> Iterator[int]:
        """Yield the children that have said farewell so long ago that they hang.

        Args:
            now: Monotonic time in seconds.
            patience: How long they may clean up, in seconds.
        """
        for place in self.places:
            pid = _pid(place)
            if pid is not None and place.leaving is not None and now >= place.leaving + patience:
                yield pid

    def next_look(self) -> float:
        """Return in how many seconds to look after the children, whatever their sentinels say."""
        return DEAF_S if any(place.deaf for place in self.places) else SWEEP_S

    def alive(self) -> bool:
        """Return whether any child is left."""
        return any(place.process is not None for place in self.places)

    def has_another(self, place: Place) -> bool:
        """Return whether another child with the same task is ready and alive."""
        return any(
            other.args == place.args and _is_ready(other)
            for other in self.places
            if other is not place
        )

    def next_start(self) -> float | None:
        """Return when the next empty place is due."""
        times = [p.restart_at for p in self.places if p.process is None and not p.over]
        return min(times, default=None)

    def reopen(self, queue_ids: Collection[int]) -> None:
        """Fill the places of queues again whose workers were told that their work was over."""
        for place in self.places:
            if place.over and place.process is None and place.queue_id in queue_ids:
                place.over = place.left = False
                place.restart_at = 0.0

    def stop_filling(self) -> None:
        """Fill no place any more; children that are there go on to their end."""
        for place in self.places:
            place.over = True

    def raised(self) -> bytes:
        """Return what a source has raised; empty if none has, or has told it."""
        return next((place.raised for place in self.places if place.raised), b"")

    def fails(self) -> bool:
        """Return whether a source has raised, and the broker knows: else it is called again."""
        return any(place.raised and place.over for place in self.places)

    def signal(self, number: int) -> None:
        """Send a signal to every child's process group."""
        for place in self.places:
            if place.process is not None and place.process.pid is not None:
                _signal_group(place.process.pid, number)

    def limits(self) -> list[float]:
        """Return how long attempts may take, for each place with a limit, in seconds."""
        return [place.limit for place in self.places if place.limit is not None]

    def limit_of(self, pid: int) -> float | None:
        """Return how long an attempt of a child may take; None if it has no limit, or is none."""
        return next((place.limit for place in self.places if _pid(place) == pid), None)

    def has_child(self, pid: int) -> bool:
        """Return whether a process is one of the children."""
        return any(_pid(place) == pid for place in self.places)

    def signal_one(self, pid: int, number: int) -> bool:
        """Send a signal to one child's process group; False if there is no such child."""
        for place in self.places:
            if _pid(place) == pid:
                _signal_group(pid, number)
                return True
        return False

    def stop(self, patience: float) -> None:
        """End all children: SIGTERM, then SIGKILL after this many seconds, and wait for them."""
        self.stop_filling()
        self.signal(signal.SIGTERM)
        self._await_ends(time.monotonic() + patience)
        self.signal(signal.SIGKILL)
        self._await_ends(math.inf)

    def _await_ends(self, deadline: float) -> None:
        while self.alive() and (left := deadline - time.monotonic()) > 0:
            connection.wait([*self.sentinels(), *self.ears()], min(left, self.next_look()))
            self.listen(time.monotonic())
            for place in self.places:
                if self._ending_at(place) is not None:
                    place.raised = raised_in(_clear(place)) or place.raised


def _pid(place: Place) -> int | None:
    return None if place.process is None else place.process.pid


def _is_ready(place: Place) -> bool:
    """Return whether a place's child lives and has said a word, the first being "ready"."""
    if place.process is None or place.hears is None:
        return False
    # Asking the process itself would collect one that has just ended, without its usage.
    _listen(place)
    return bool(place.words) and not connection.wait([place.process.sentinel], 0)


def _reason(error: OSError | EOFError) -> str:
    """Return why the system gives no process."""
    try:
        # What spawn says of that is "No such file or directory".
        current_directory()
    except UsageError as gone:
        return str(gone)
    return getattr(error, "strerror", None) or "the fork server has ended"


def _clear(place: Place) -> list[bytes]:
    """Make a place whose child has ended empty; return the child's words."""
    assert place.process is not None, place
    assert place.hears is not None, place
    _listen(place)
    words, place.words, place.leaving = place.words, [], None
    place.hears.close()
    place.process.close()
    place.process = place.hears = None
    place.hearer = Hearer()
    return words


def _listen(place: Place) -> None:
    """Hear what a child has said by now; what closes its end says no more."""
    hears = place.hears
    if hears is None or hears.closed:
        return
    try:
        while hears.poll():
            if (said := place.hearer.heard(hears.recv_bytes())) is not None:
                (place.told if said.startswith((PRINTED, LOGGED)) else place.words).append(said)
    except (EOFError, OSError):
        hears.close()


def _end_leftovers(pid: int) -> None:
    """Kill what a dead child has started: it would go on with an item that is handed out again."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        # It has not made its group yet, or is gone already; then this finds nobody either.
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
