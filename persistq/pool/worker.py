"""A worker's whole life: ask, run the handler, report. It may be killed at any instruction."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from time import monotonic as _now
from typing import Any

from persistq import failpoints
from persistq.client import forking
from persistq.client.consumer import Consumer
from persistq.client.handle import Handle
from persistq.client.window import Delivery
from persistq.codec import ItemCodec
from persistq.errors import PersistqError
from persistq.pool.child import Word, become_child, complaint, told_in_one_sentence
from persistq.text.streams import say
from persistq.text.terminal import storable, text_of
from persistq.wire.messages import Ended, Outputs

Report = Callable[[Consumer, Delivery, float], None]


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker is told when it starts; under spawn it is pickled, so the handler must be too.

    Attributes:
        handle: The run, and the queue to take from.
        stage: The stage's name.
        handler: The user's function.
        extras: Names of the extra arguments it takes.
        outputs_of: Turns its result into items for the next stage.
        context: Called once in this process; its result is the argument ``ctx``.
        make_info: Makes the argument ``item`` from id, attempt, stage and key.
        control_flow: The exception classes by which a handler asks to (retry, drop) its item.
        settings: The argument ``settings``.
        next_queue_id: Where outputs go; None after the last stage.
        codec: Encodes and decodes items.
    """

    handle: Handle
    stage: str
    handler: Callable[..., Any]
    extras: frozenset[str]
    outputs_of: Callable[[Any], Iterable[Any]]
    context: Callable[[], Any] | None
    make_info: Callable[[int, int, str, str], Any]
    control_flow: tuple[type[Exception], type[Exception]]
    settings: Any
    next_queue_id: int | None
    codec: ItemCodec


class Worker:
    """Runs one stage's handler on items, one after the other.

    Args:
        assignment: The stage.
        consumer: Where items come from and reports go.
    """

    def __init__(self, assignment: Assignment, consumer: Consumer) -> None:
        self._job = assignment
        self._consumer = consumer
        self._forks = forking.forks
        self._extras: dict[str, Any] = {}
        if "settings" in assignment.extras:
            self._extras["settings"] = assignment.settings
        if "ctx" in assignment.extras and assignment.context is not None:
            self._extras["ctx"] = assignment.context()

    def work(self) -> None:
        """Work until it is over.

        Crash: the item in hand is handed to another worker; what was reported is kept.
        """
        while not isinstance(delivery := self._consumer.get(), Ended):
            assert delivery is not None, "a wait without limit ended with nothing"
            self.attempt(delivery)

    def attempt(self, delivery: Delivery) -> None:
        """Run the handler on one item and report what became of it."""
        consumer, item_id, started = self._consumer, delivery[0], _now()
        consumer.hold(item_id, started)
        try:
            failpoints.point("worker.before_handler")
            outputs = self._outputs(delivery)
        except KeyboardInterrupt:
            # Only an inline run gets it, from its user, and it says nothing about the item.
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit too is the item's failure here
            self._end_if_forked(error)
            self._report_error(item_id, error)
        else:
            self._end_if_forked()
            failpoints.point("worker.after_handler")
            consumer.done(item_id, started, _now(), outputs)
        consumer.hold(0)

    def _end_if_forked(self, error: BaseException | None = None) -> None:
        """End here if the handler has forked and this is the child: the item is the parent's."""
        if self._forks != forking.forks:
            if error is not None:
                say("".join(traceback.format_exception(error)).rstrip())
            os._exit(0 if error is None else 1)

    def _outputs(self, delivery: Delivery) -> list[Outputs]:
        job = self._job
        item_id, codec, payload, attempts = delivery
        value = job.codec.decode(item_id, codec, payload)
        extras = self._extras
        if "item" in job.extras:
            key = self._consumer.keys.of(item_id)
            info = job.make_info(item_id, attempts + 1, job.stage, key)
            extras = {**extras, "item": info}
        items = job.outputs_of(job.handler(value, **extras))
        if not items or job.next_queue_id is None:
            return []
        return [Outputs(job.next_queue_id, *job.codec.encode_many(list(items)))]

    def _report_error(self, item_id: int, error: BaseException) -> None:
        retry, drop = self._job.control_flow
        if isinstance(error, drop):
            self._consumer.dropped(item_id, text_of(error))
            return
        delay = getattr(error, "delay", None) if isinstance(error, retry) else None
        self._consumer.failed(
            item_id, type(error).__qualname__, text_of(error), _trace(error), delay
        )


def _trace(error: BaseException) -> str:
    """Return the traceback from the handler on; the pool's own frames explain nothing."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__") == __name__:
        frames = frames.tb_next
    return storable("".join(traceback.format_exception(type(error), error, frames)))


def _set_up(assignment: Assignment, consumer: Consumer, tells: Connection) -> Worker:
    try:
        return Worker(assignment, consumer)
    except BaseException as error:
        tells.send_bytes(complaint(error))
        raise


def run_worker(assignment: Assignment, supervisor_pid: int, tells: Connection) -> None:
    """Be a worker process from start to end.

    Args:
        assignment: What to do.
        supervisor_pid: Whose death ends this process.
        tells: Where to say how far it has come.
    """
    become_child(supervisor_pid)
    try:
        with told_in_one_sentence(assignment.stage):
            consumer = Consumer(assignment.handle)
        # Errors of the context function are the user's own, and need their traceback.
        worker = _set_up(assignment, consumer, tells)
        with told_in_one_sentence(assignment.stage):
            tells.send_bytes(Word.READY)
            worker.work()
            consumer.leave()
            tells.send_bytes(Word.OVER)
    except PersistqError as error:
        # The broker or the supervisor is gone; whoever is left of them says so to the user.
        sys.exit(error.exit_code)
