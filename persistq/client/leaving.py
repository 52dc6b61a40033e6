"""How the program that opened a load ends: it says what is left, and takes leave of the broker."""

from __future__ import annotations

import contextlib
import subprocess
import sys

from persistq.client.connection import Connection
from persistq.client.handle import Handle
from persistq.client.openings import resume_command
from persistq.client.starting import OpenedRun
from persistq.errors import ItemsFailed, JournalError, LoadUnfinished, PersistqError
from persistq.text.streams import say
from persistq.wire.messages import Answer, Farewell, QueueSizes

BROKER_EXIT_S = 30.0
"""How long the program that started a broker waits for it to fold its journal and end."""

_IN_GOOD_ORDER = (SystemExit, LoadUnfinished, ItemsFailed, JournalError)
"""What may end a process without anything having happened to the item in its hand."""


class Leave:
    """The end of this process's hold on a run.

    Args:
        run: The hold.
        handle: The run and the queue.

    Attributes:
        run: The hold.
        others: How many connections other processes had to the broker when leave was taken.
    """

    def __init__(self, run: OpenedRun, handle: Handle) -> None:
        self.others = 0
        self.run = run
        self._handle = handle

    def take(self, sizes: list[QueueSizes], *, farewell: bool) -> None:
        """Say what is left, if anything, and leave the broker on purpose.

        Args:
            sizes: The counters of all queues of the load.
            farewell: False if an error ends the process: then the broker takes it for dead.

        Raises:
            PersistqError: The broker is gone.
        """
        outstanding = sum(s.put - s.done - s.dropped - s.parked for s in sizes)
        parked = sum(s.parked for s in sizes)
        if outstanding or parked:
            # The promise: every exit that leaves something says what to type.
            left = _what_is_left(self._handle, self._load_to_name(), outstanding, parked)
            say(f"{self._handle.name}: {left}")
        if farewell:
            self.others = say_farewell(self.run.anchor)

    def let_go(self) -> None:
        """Disconnect, and wait for the broker if it ends with this program."""
        self.run.anchor.close()
        see_off(self.run.broker, serves_others=self.others > 0)

    def disown(self) -> None:
        """Let go in a forked child, whose the run is not."""
        if self.run.broker is not None:
            # Not this process's child: nothing to wait for, nothing to warn about.
            self.run.broker.returncode = 0

    def _load_to_name(self) -> int | None:
        """Return the number of a reopened load, on which only who names it works."""
        welcome = self.run.welcome
        return welcome.load_id if welcome.reopened else None


def say_unless_said(error: PersistqError, said: frozenset[str]) -> None:
    """Say an error that can be raised to nobody, unless it was raised before."""
    if str(error) not in said:
        say(f"persistq: {error}")


def error_at_exit() -> BaseException | None:
    """Return the exception that ends this process, if one does and its item may be to blame.

    In a process of multiprocessing it is still being raised; in a main program it was printed. An
    interactive session ends when its user wants, whatever was printed before.
    """
    if hasattr(sys, "ps1"):
        return None
    error = sys.exc_info()[1] or getattr(sys, "last_value", None)
    return None if isinstance(error, _IN_GOOD_ORDER) else error


def _what_is_left(handle: Handle, load: int | None, outstanding: int, parked: int) -> str:
    retrying = resume_command(handle.name, handle.journal, failed=True, load=load)
    if not outstanding:
        return f"{_items(parked)} parked as failed in {handle.journal}; retry with: {retrying}"
    text = f"{_items(outstanding)} outstanding"
    carrying_on = f"carry on with: {resume_command(handle.name, handle.journal, load=load)}"
    if not parked:
        return f"{text} in {handle.journal}; {carrying_on}"
    return (
        f"{text} and {parked:,} parked as failed in {handle.journal}; {carrying_on}, "
        f"or, to retry those parked too: {retrying}"
    )


def _items(count: int) -> str:
    return f"{count:,} item{'s' if count != 1 else ''}"


def say_farewell(anchor: Connection, result: str = "", reason: str = "") -> int:
    """Leave a run on purpose; return how many connections other processes have to its broker.

    Args:
        anchor: The connection of the program that opened the load.
        result: How the run ended, a `persistq.journal.run.RunResult`; empty if it goes on.
        reason: Why.
    """
    anchor.send(Farewell(result, reason))
    while not isinstance(answer := anchor.receive(), Answer):
        continue
    return int(answer.value)


def see_off(broker: subprocess.Popen[bytes] | None, *, serves_others: bool) -> None:
    """Wait for a broker that ends now; one that serves others is left alone.

    Args:
        broker: The broker, if this process started it.
        serves_others: Whether it goes on.
    """
    if broker is None:
        return
    if serves_others:
        # It ends by itself some day; there is nobody to wait for it, and nothing to warn about.
        broker.returncode = 0
        return
    with contextlib.suppress(subprocess.TimeoutExpired):
        broker.wait(BROKER_EXIT_S)
