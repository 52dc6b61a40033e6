"""A worker's whole life: ask, run the handler, report. It may be killed at any instruction."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from time import monotonic as _now
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar

from persistq import failpoints, forking
from persistq.errors import PersistqError
from persistq.flow import Drop, Retry
from persistq.pool.capture import Capture
from persistq.pool.child import UNCLEAN, Word, become_child, complaint, told_in_one_sentence
from persistq.pool.recycling import Share
from persistq.pool.telling import Teller
from persistq.pool.termination import Termination
from persistq.text.streams import say
from persistq.text.terminal import excerpt, text_of
from persistq.wire.messages import Ended

if TYPE_CHECKING:
    from persistq.channel import Channel
    from persistq.client.window import Delivery
    from persistq.pool.recycling import Limits
    from persistq.pool.task import Task, Work

Got = TypeVar("Got")

Pauses = tuple[tuple[type[BaseException], float], ...]
"""Classes of errors, and for each how long to rest, in seconds."""

OWN: Final = __name__.partition(".")[0]
"""The package whose frames explain nothing to who reads a traceback of a handler."""


class Worker(ABC, Generic[Got]):
    """Works on what it gets, one after the other.

    Args:
        channel: Where reports go.
        get: Where work comes from.
        pauses: Errors that are nobody's fault here, and how long to rest for each, in seconds.

    Attributes:
        get: Returns what to work on next, as `persistq.channel.Intake.get` does.
    """

    def __init__(
        self,
        channel: Channel,
        get: Callable[..., Got | Ended | None],
        pauses: Pauses = (),
    ) -> None:
        self._channel = channel
        self._pauses = pauses
        self._forks = forking.forks
        self.get = get

    def work(self, limits: Limits | None = None) -> Word:
        """Work until it is over, or this process has done its share.

        Crash: what is in hand is handed to another worker; what was reported is kept.

        Args:
            limits: How much it does; None, or none, is everything.

        Returns:
            ``OVER`` if there is no more work, ``RECYCLED`` if another process goes on.
        """
        get = self.get
        if limits:
            return self._work_within(Share(limits))
        while not isinstance(got := get(), Ended):
            assert got is not None, "a wait without limit ended with nothing"
            self.attempt(got)
        return Word.OVER

    def _work_within(self, share: Share) -> Word:
        while not isinstance(got := self.get(), Ended):
            assert got is not None, "a wait without limit ended with nothing"
            self.attempt(got)
            if share.is_done(self._count(got)):
                failpoints.point("worker.before_recycling")
                return Word.RECYCLED
        return Word.OVER

    def _count(self, _: Got) -> int:
        """Return how many items it got."""
        return 1

    @abstractmethod
    def attempt(self, got: Got) -> None:
        """Run the handler and report what became of it."""

    def leave(self) -> None:
        """Report, and take no more."""
        self._channel.leave()

    def stop(self) -> bool:
        """End the work, at SIGTERM; False if that is to be done by an exception, at once."""
        return False

    def _stay_parent(self, error: BaseException | None = None) -> None:
        """End here if the handler has forked and this is the child: the item is the parent's."""
        if self._forks != forking.forks:
            end_child(error)

    def _pause(self, error: BaseException) -> float | None:
        """Return for how long the stage rests because of an error; None if it does not."""
        fits = (seconds for kind, seconds in self._pauses if isinstance(error, kind))
        return next(fits, None)

    def _rest_for(self, item_ids: Sequence[int], error: BaseException, seconds: float) -> None:
        """Give items back that are not to blame, and have the stage rest.

        Crash: the stage does not rest, or the items are handed out again as those of the dead are.
        """
        # It is over with them: whoever dies now has not died of one.
        self._channel.hold(0)
        self._channel.rest(item_ids, f"{type(error).__qualname__}: {text_of(error)}", seconds)

    def _report_error(
        self,
        item_id: int | Sequence[int],
        error: BaseException,
        *,
        text: str = "",
        final: bool = False,
    ) -> None:
        """Report what an attempt at one item, or several, has raised; ``text`` is said of it."""
        text = text or text_of(error)
        if isinstance(error, Drop):
            self._channel.dropped(item_id, text)
            return
        if (seconds := self._pause(error)) is not None:
            item_ids = [item_id] if isinstance(item_id, int) else item_id
            self._rest_for(item_ids, error, seconds)
            return
        delay = error.delay if isinstance(error, Retry) else None
        kind = type(error).__qualname__
        if isinstance(error, Retry) and not error.counts:
            self._channel.deferred(item_id, kind, text, delay)
            return
        trace = _trace(error)
        self._channel.failed(item_id, kind, text, trace, delay, final=final)


class ItemWorker(Worker["Delivery"]):
    """Works on items, one after the other.

    Args:
        work: What is done with each.
        channel: Where they come from and reports go.
        pauses: As for every `Worker`.
    """

    def __init__(self, work: Work, channel: Channel, pauses: Pauses = ()) -> None:
        super().__init__(channel, channel.get, pauses)
        self._work = work

    def attempt(self, got: Delivery) -> None:
        """Run the handler on one item and report what became of it."""
        channel, item_id, started = self._channel, got[0], _now()
        channel.hold(item_id, started)
        try:
            failpoints.point("worker.before_handler")
            made = self._work(got, channel)
        except KeyboardInterrupt:
            # Only an inline run gets it, from its user, and it says nothing about the item.
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit too is the item's failure here
            self._stay_parent(error)
            self._report_error(item_id, error)
        else:
            self._stay_parent()
            failpoints.point("worker.after_handler")
            channel.done(item_id, started, _now(), made)
        channel.hold(0)


def end_child(error: BaseException | None) -> NoReturn:
    """End a process that a handler has forked, and in which it has come to its end."""
    if error is not None:
        say("".join(traceback.format_exception(error)).rstrip())
    os._exit(0 if error is None else 1)


def _trace(error: BaseException) -> str:
    """Return the traceback from the handler on; frames of our own modules explain nothing."""
    frames = error.__traceback__
    while frames is not None and _is_own(frames.tb_frame):
        frames = frames.tb_next
    return excerpt("".join(traceback.format_exception(type(error), error, frames)))


def _is_own(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith(f"{OWN}.")


def _set_up(task: Task, channel: Any, tells: Connection) -> Worker[Any]:
    try:
        return task.prepare(channel)
    except BaseException as error:
        tells.send_bytes(complaint(error))
        raise


def run_worker(task: Task, supervisor_pid: int, tells: Connection) -> None:
    """Be a worker process from start to end.

    Crash: what was set up of the user's is cleaned up whatever ends the work, SIGTERM included,
    but not if SIGKILL or a fault of the system does.

    Args:
        task: What to do.
        supervisor_pid: Whose death ends this process.
        tells: Where to say how far it has come.
    """
    become_child(supervisor_pid)
    os.nice(task.nice)
    termination = Termination()
    capture = Capture(Teller(tells))
    clean = False
    try:
        try:
            _work(task, tells, termination, capture)
        finally:
            termination.hold()
    except PersistqError as error:
        # The broker or the supervisor is gone; whoever is left of them says so to the user.
        sys.exit(error.exit_code)
    finally:
        clean = _clean_up(task, tells)
        capture.finish()
        termination.die_if_come()
    if not clean:
        sys.exit(UNCLEAN)


def _work(task: Task, tells: Connection, termination: Termination, capture: Capture) -> None:
    with told_in_one_sentence(task.name):
        channel = task.connect()
    capture.follow(channel)
    # Errors of the context function are the user's own, and need their traceback.
    worker = _set_up(task, channel, tells)
    capture.take_records(task.log_levels)
    if task.cleans_up:
        termination.watch(worker.stop)
    with told_in_one_sentence(task.name):
        tells.send_bytes(Word.READY)
        word = worker.work(task.limits)
        worker.leave()
        tells.send_bytes(word)


def _clean_up(task: Task, tells: Connection) -> bool:
    """Clean up what was set up of the user's; False if that has failed, which is told."""
    try:
        task.clean_up()
    except BaseException as error:  # noqa: BLE001 - whatever it is, the work is done
        say(_trace(error).rstrip())
        with contextlib.suppress(OSError):
            tells.send_bytes(complaint(error))
        return False
    return True
