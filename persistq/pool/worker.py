"""A worker's whole life: ask, run the handler, report. It may be killed at any instruction."""

from __future__ import annotations

import os
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from multiprocessing.connection import Connection
from time import monotonic as _now
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar

from persistq import failpoints, forking
from persistq.errors import PersistqError
from persistq.flow import Drop, Retry
from persistq.pool.child import Word, become_child, complaint, told_in_one_sentence
from persistq.text.streams import say
from persistq.text.terminal import excerpt, text_of
from persistq.wire.messages import Ended

if TYPE_CHECKING:
    from persistq.channel import Channel
    from persistq.client.window import Delivery
    from persistq.pool.task import Task, Work

Got = TypeVar("Got")

OWN: Final = __name__.partition(".")[0]
"""The package whose frames explain nothing to who reads a traceback of a handler."""


class Worker(ABC, Generic[Got]):
    """Works on what it gets, one after the other.

    Args:
        channel: Where reports go.
        get: Where work comes from.

    Attributes:
        get: Returns what to work on next, as `persistq.channel.Intake.get` does.
    """

    def __init__(self, channel: Channel, get: Callable[..., Got | Ended | None]) -> None:
        self._channel = channel
        self._forks = forking.forks
        self.get = get

    def work(self) -> None:
        """Work until it is over.

        Crash: what is in hand is handed to another worker; what was reported is kept.
        """
        get = self.get
        while not isinstance(got := get(), Ended):
            assert got is not None, "a wait without limit ended with nothing"
            self.attempt(got)

    @abstractmethod
    def attempt(self, got: Got) -> None:
        """Run the handler and report what became of it."""

    def leave(self) -> None:
        """Report, and take no more."""
        self._channel.leave()

    def _stay_parent(self, error: BaseException | None = None) -> None:
        """End here if the handler has forked and this is the child: the item is the parent's."""
        if self._forks != forking.forks:
            _end_child(error)

    def _report_error(
        self, item_id: int, error: BaseException, *, text: str = "", final: bool = False
    ) -> None:
        """Report what an item's attempt has raised; ``text`` is said instead of its own."""
        text = text or text_of(error)
        if isinstance(error, Drop):
            self._channel.dropped(item_id, text)
            return
        delay = error.delay if isinstance(error, Retry) else None
        kind, trace = type(error).__qualname__, _trace(error)
        self._channel.failed(item_id, kind, text, trace, delay, final=final)


class ItemWorker(Worker["Delivery"]):
    """Works on items, one after the other.

    Args:
        work: What is done with each.
        channel: Where they come from and reports go.
    """

    def __init__(self, work: Work, channel: Channel) -> None:
        super().__init__(channel, channel.get)
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


def _end_child(error: BaseException | None) -> NoReturn:
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

    Args:
        task: What to do.
        supervisor_pid: Whose death ends this process.
        tells: Where to say how far it has come.
    """
    become_child(supervisor_pid)
    try:
        with told_in_one_sentence(task.name):
            channel = task.connect()
        # Errors of the context function are the user's own, and need their traceback.
        worker = _set_up(task, channel, tells)
        with told_in_one_sentence(task.name):
            tells.send_bytes(Word.READY)
            worker.work()
            worker.leave()
            tells.send_bytes(Word.OVER)
    except PersistqError as error:
        # The broker or the supervisor is gone; whoever is left of them says so to the user.
        sys.exit(error.exit_code)
