"""A source's process from start to end: all that it yields is put, then its end is told."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection as Pipe
from typing import Final

from persistq import failpoints
from persistq.client.connection import Connection
from persistq.client.producer import Producer
from persistq.ending import has_sentence
from persistq.errors import (
    BrokerLost,
    ItemNotValid,
    JournalError,
    KeyNotUsable,
    NotAResult,
    OrderNotUsable,
    RunEnded,
)
from persistq.pipeline.currentload import called_for
from persistq.pipeline.cursors import CursorNotReadable
from persistq.pipeline.putting import put_all
from persistq.pipeline.source import Source
from persistq.pipeline.sourcetask import SourceTask
from persistq.pool.capture import Capture
from persistq.pool.child import Word, become_child, told_in_one_sentence
from persistq.pool.raised import raised
from persistq.pool.telling import Teller
from persistq.text.streams import say
from persistq.wire.messages import Fail, Farewell, Role, Seal

_REFUSED: Final = (NotAResult, ItemNotValid, KeyNotUsable, OrderNotUsable, CursorNotReadable)
"""What fails the load in its own sentence, without a traceback."""


def run_source(task: SourceTask, supervisor_pid: int, tells: Pipe) -> None:
    """Be a source's process from start to end.

    Crash: what was put is journaled; the source is called again, and what it puts again is
    absorbed.
    """
    become_child(supervisor_pid)
    teller = Teller(tells)
    # What it wrote to the terminal itself would fall into what the supervisor draws there.
    capture = Capture(teller)
    capture.take_records(task.log_levels)
    tells.send_bytes(Word.READY)
    try:
        with told_in_one_sentence(task.source.name):
            drain_source(task, partial(_tell_raised, task, teller))
            tells.send_bytes(Word.OVER)
    except (BrokerLost, JournalError, RunEnded) as error:
        # Whoever is left of broker and supervisor says so to the user.
        sys.exit(error.exit_code)
    finally:
        capture.finish()


def _tell_raised(task: SourceTask, teller: Teller, error: BaseException) -> None:
    if told := raised(error, task.codec.own):
        teller.tell(told)


def drain_source(
    task: SourceTask,
    on_error: Callable[[BaseException], object],
    on_item: Callable[[], object] | None = None,
    on_open: Callable[[Connection, Producer], None] | None = None,
) -> bool:
    """Put everything a source yields, then seal; if it raises, fail the load.

    Crash: what was put is journaled, and the source not at its end, so it is called again.

    Args:
        task: The source.
        on_error: Is told what it has raised, before the broker is.
        on_item: Called after each item, by inline runs; anything but None ends the source.
        on_open: Called with its connections, by who may have to cut them.

    Returns:
        Whether the source came to its end.
    """
    control, welcome = Connection.dial(task.handle, Role.CONTROL)
    # An inline run carries on what it has put before it asks for more: nobody else would.
    producer = Producer(task.handle, waits=on_item is None)
    try:
        if on_open is not None:
            on_open(control, producer)
        # A source that died after its seal has nothing left to say.
        over = any(
            source.source_id == task.handle.source_id and source.ended for source in welcome.sources
        )
        with called_for(task.handle, welcome):
            return over or _drain(task, producer, control, on_error, on_item)
    finally:
        control.close()
        producer.close()


def _drain(
    task: SourceTask,
    producer: Producer,
    control: Connection,
    on_error: Callable[[BaseException], object],
    on_item: Callable[[], object] | None,
) -> bool:
    source = task.source
    try:
        over = put_all(task, producer, control, on_item)
    except (BrokerLost, JournalError, RunEnded, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever ends a source fails the load
        if not has_sentence(error):
            say(traceback.format_exc().rstrip())
        on_error(error)
        failpoints.point("source.before_fail")
        control.ask(Fail, _why(source, error), task.grace)
        producer.say_farewell()
        return False
    if over:
        failpoints.point("source.before_seal")
        control.ask(Seal, task.handle.queue_id, task.handle.source_id)
        failpoints.point("source.after_seal")
    control.send(Farewell())
    producer.say_farewell()
    return over


def _why(source: Source, error: BaseException) -> str:
    if isinstance(error, _REFUSED):
        return str(error)
    return f"source {source.name!r} raised {type(error).__name__}: {error}"
