"""Every exception of persistq, grouped by whose fault it is.

Each carries its facts as attributes, makes its sentence in ``__str__`` and survives pickling,
because errors cross process boundaries here. The exit code an error ends a command with is part of
the error.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class PersistqError(Exception):
    """Base of all errors that persistq raises.

    Attributes:
        exit_code: What a command or a script that does not catch it exits with. With 1, which is
            Python's own, it is an error in the program's code and shown with its traceback; with
            any other, its sentence is all that is shown. See `persistq.ending`.
        told: Whether the user has read its sentence, or a longer one, already.
    """

    exit_code = 1
    told = False

    @property
    def _render_traceback_(self) -> Callable[[], list[str]]:
        """Returns what IPython, and so a notebook, shows in place of a traceback: its sentence.

        Raises:
            AttributeError: It is an error in the program's own code, and its traceback is shown.
        """
        if self.exit_code == PersistqError.exit_code:
            raise AttributeError("its traceback is shown")
        return self._in_lines

    def _in_lines(self) -> list[str]:
        from persistq.text.terminal import printable

        return [f"persistq: {printable(line)}" for line in str(self).splitlines()]


# --- the caller's fault ---------------------------------------------------------------------------


class UsageError(PersistqError, ValueError):
    """The caller asked for something that has no meaning; nothing was changed."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class QueueClosed(PersistqError, ValueError):
    """A put came after the seal.

    Like ``multiprocessing.Queue``, a closed queue answers with a `ValueError`; unlike it, the rule
    holds for every process: whoever closes, closes for all.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f"queue {self.name!r} is closed: it was sealed, so nothing more can be put on this load"
        )


class ItemNotStorable(PersistqError, TypeError):
    """An item cannot be encoded; the queue is as it was before the put."""

    def __init__(self, type_name: str, reason: str) -> None:
        super().__init__(type_name, reason)
        self.type_name = type_name
        self.reason = reason

    def __str__(self) -> str:
        return f"an item of type {self.type_name} cannot be stored: {self.reason}"


class KeyNotUsable(PersistqError, ValueError):
    """An item has no natural key, or what ``key=`` gives for it is none.

    Attributes:
        what: The source or stage that says ``key=``.
        item: The item, as it is shown, shortened.
        reason: What is wrong.
    """

    exit_code = 2

    def __init__(self, what: str, item: str, reason: str) -> None:
        super().__init__(what, item, reason)
        self.what = what
        self.item = item
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.what}: key= gives no key for {self.item}: {self.reason}"


class ItemNotValid(PersistqError, TypeError):
    """An item is not of the type that the handler of its stage says.

    Attributes:
        stage: The stage.
        type_name: The type, as in ``Order``.
        reason: What is wrong, and in which field.
    """

    exit_code = 2

    def __init__(self, stage: str, type_name: str, reason: str) -> None:
        super().__init__(stage, type_name, reason)
        self.stage = stage
        self.type_name = type_name
        self.reason = reason

    def __str__(self) -> str:
        article = "an" if self.type_name[:1] in "AEIOaeio" else "a"
        return f"item of stage {self.stage!r} is not {article} {self.type_name}: {self.reason}"


class OrderNotUsable(PersistqError, ValueError):
    """An item has no place in the order of its stage.

    Attributes:
        stage: The stage.
        option: What it says that of: ``priority`` or ``order``.
        item: The item, as it is shown, shortened.
        reason: What is wrong.
    """

    exit_code = 2

    def __init__(self, stage: str, option: str, item: str, reason: str) -> None:
        super().__init__(stage, option, item, reason)
        self.stage = stage
        self.option = option
        self.item = item
        self.reason = reason

    def __str__(self) -> str:
        return f"stage {self.stage!r}: {self.option}= gives no place for {self.item}: {self.reason}"


class NotAResult(PersistqError, TypeError):
    """A function of the program has returned, and its work has not been done.

    Attributes:
        what: The function.
        reason: What it returned or yielded, and what it should.
    """

    exit_code = 2

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what = what
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.what} {self.reason}"


class ItemNotReadable(PersistqError):
    """A stored payload cannot be turned back into an item in this process."""

    def __init__(self, item_id: int, reason: str) -> None:
        super().__init__(item_id, reason)
        self.item_id = item_id
        self.reason = reason

    def __str__(self) -> str:
        return f"item {self.item_id} cannot be decoded: {self.reason}"


class TransactionFailed(PersistqError):
    """A handler has caught an error of its database, after which nothing can be committed."""

    def __str__(self) -> str:
        return (
            "the transaction has failed within the handler, which has caught the error: let it "
            "out, or try within a savepoint (with SQLAlchemy: `with conn.begin_nested():`)"
        )


class TransactionEnded(PersistqError):
    """A handler has committed or rolled back what persistq commits after it."""

    def __str__(self) -> str:
        return (
            "the handler has committed or rolled back by itself, or has caught an error that did: "
            "persistq commits when the handler has returned"
        )


# --- upstream's fault -----------------------------------------------------------------------------


class UpstreamFailed(PersistqError):
    """The load ended with FAILED: something upstream gave up, the work stays in the journal.

    Raised by iteration over a queue; `PersistentQueue.get` returns the sentinel ``FAILED`` instead.
    """

    exit_code = 3

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"load {self.name!r} failed: {self.reason}"


class LoadUnfinished(PersistqError):
    """A run ended and left work outstanding.

    Uncaught, it ends a script with 3, or with 130/143 when a signal ended the run.

    Attributes:
        exception: What the source has raised, as the object that it was; it is the cause of this
            error too. None if no source has raised, or it could not be pickled in the source's
            process and read in this one.
    """

    exit_code = 3

    def __init__(
        self, name: str, reason: str, exit_code: int = 3, exception: BaseException | None = None
    ) -> None:
        super().__init__(name, reason, exit_code)
        self.name = name
        self.reason = reason
        self.exit_code = exit_code
        self.exception = self.__cause__ = exception

    def __reduce__(self) -> tuple[Any, ...]:
        # An inline run's source may have raised what would take this error down with it.
        kept = self.exception if _can_be_pickled(self.exception) else None
        return type(self), self.args, {**self.__dict__, "exception": kept}

    def __str__(self) -> str:
        return f"load {self.name!r} is not finished: {self.reason}"


class ItemsFailed(PersistqError):
    """Nothing is left to do of a load, and some of its items are parked as failed."""

    exit_code = 6

    def __init__(self, name: str, failed: int) -> None:
        super().__init__(name, failed)
        self.name = name
        self.failed = failed

    def __str__(self) -> str:
        noun = "item" if self.failed == 1 else "items"
        return (
            f"load {self.name!r} has nothing outstanding, and {self.failed} {noun} parked as failed"
        )


# --- the world's fault ----------------------------------------------------------------------------


class BrokerLost(PersistqError, ConnectionError):
    """The broker is gone, or could not be started; what it had journaled is safe."""

    exit_code = 3

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"the broker of {self.name!r} is gone ({self.reason}): run the script again to carry on"
        )


class BrokerSilent(BrokerLost):
    """The broker is there and has not answered in time, as one that is stopped does.

    Attributes:
        seconds: How long it was waited for.
    """

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(name, f"it has not answered within {seconds:g} s")
        self.args = (name, seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return (
            f"the broker of {self.name!r} is there and has not answered within {self.seconds:g} s: "
            "if it was stopped, let it go on or kill it, and run the script again"
        )


class RunEnded(PersistqError):
    """The program that opened this queue has died, so its children get no more work.

    What this process finished can still be recorded; what is outstanding is carried on by the next
    start of that program.
    """

    exit_code = 3

    def __init__(self, name: str, pid: int) -> None:
        super().__init__(name, pid)
        self.name = name
        self.pid = pid

    def __str__(self) -> str:
        return (
            f"process {self.pid}, which opened {self.name!r}, is gone: this child of it gets no "
            "more work; run the script again to carry on"
        )


class SinkUnavailable(PersistqError, ConnectionError):
    """The target of a sink cannot be used now: it is down, full, or does not answer.

    Attributes:
        target: The sink, without passwords.
        reason: What its driver says.
    """

    exit_code = 3

    def __init__(self, target: str, reason: str) -> None:
        super().__init__(target, reason)
        self.target = target
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.target} cannot be used now: {self.reason}"


class FolderError(PersistqError):
    """A folder cannot be used as a queue: it is a stranger's, unreadable, or cannot be written.

    Attributes:
        path: The folder.
        reason: What is wrong, and what to do.
    """

    exit_code = 4

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"folder {self.path}: {self.reason}"


class ClaimLost(PersistqError):
    """Another host has taken this process for dead, and has given back what it had claimed.

    Nothing was settled. The queue object can go on getting.

    Attributes:
        path: The folder.
        name: The file that was to be settled.
    """

    exit_code = 3

    def __init__(self, path: str, name: str) -> None:
        super().__init__(path, name)
        self.path = path
        self.name = name

    def __str__(self) -> str:
        return (
            f"folder {self.path}: this process was taken for dead, and {self.name!r} was given to "
            "others: nothing was settled; if it may be silent for that long, say extend() before, "
            "or a longer lease="
        )


class JournalError(PersistqError):
    """Base of everything that is wrong with a journal file.

    Attributes:
        path: The journal file.
        reason: What is wrong, and what to do.
    """

    exit_code = 4

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"journal {self.path}: {self.reason}"


class JournalMissing(JournalError):
    """There is no journal at this place."""


class JournalForeign(JournalError):
    """The file is not a persistq journal; it was not touched."""


class JournalNewer(JournalError):
    """The journal was written by a newer persistq; it was not touched."""


class JournalCorrupt(JournalError):
    """The journal contradicts itself; it was not repaired, and is not used."""


class JournalUnavailable(JournalError):
    """The journal cannot be read or written: disk full, read-only, I/O error, locked."""


class JournalBusy(JournalError):
    """Another live run works on this journal.

    Attributes:
        pid: Process id of that run's broker or script.
        host: Host it runs on.
    """

    def __init__(self, path: str, pid: int, host: str) -> None:
        reason = f"process {pid} on {host} is working on it; wait for it or stop it"
        super().__init__(path, reason)
        self.args = (path, pid, host)
        self.pid = pid
        self.host = host


def _can_be_pickled(value: object) -> bool:
    try:
        pickle.dumps(value)
    except Exception:  # noqa: BLE001 - its own code runs here
        return False
    return True
