"""Opening a load: attach to its live broker, or start one.

A broker is a fresh interpreter, never a fork of the caller: it must share neither threads nor
database handles with user code.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

from persistq import failpoints, forking
from persistq.client import interpreter
from persistq.client.connection import Connection
from persistq.client.handle import Handle
from persistq.errors import (
    BrokerLost,
    BrokerSilent,
    JournalBusy,
    JournalUnavailable,
    PersistqError,
    RunEnded,
)
from persistq.site.finding import site_of
from persistq.site.processes import this_process
from persistq.site.runlock import Holder
from persistq.text.streams import end_truthfully, fill_descriptors
from persistq.wire.framing import opening_to_bytes
from persistq.wire.messages import Hello, Opening, Role, Welcome

RETRY_S = 0.02
END_S = 5.0


@dataclass(slots=True)
class OpenedRun:
    """This process's hold on a run.

    Attributes:
        handle: For this process and its children.
        anchor: Tells the broker that the program is alive; keep it open.
        welcome: What the load looked like when it was opened.
        broker: The broker's process if it was started here, else None.
    """

    handle: Handle
    anchor: Connection
    welcome: Welcome
    broker: subprocess.Popen[bytes] | None


def open_run(opening: Opening, *, ack_interval: float, timeout: float) -> OpenedRun:
    """Open a load, whatever state its journal is in.

    Crash: nothing is half-open; the broker notices when its starter dies and ends by itself.

    Args:
        opening: What to open. Its token is used if a new broker is started.
        ack_interval: For the handle, in seconds.
        timeout: Longest wait for a broker that is just starting or ending, in seconds.

    Raises:
        JournalBusy: A pipeline of this name is running.
        JournalError: The journal cannot be used, or its live broker does not answer.
        BrokerLost: The broker did not start.
    """
    fill_descriptors()
    end_truthfully()
    # Before a word of its files is believed: the address in a stranger's lock is the stranger's.
    site_of(opening.path).require_own()
    deadline = time.monotonic() + timeout
    while True:
        try:
            attached = _attach(opening, ack_interval, timeout)
            return attached or _start(opening, ack_interval, timeout)
        except _BetweenTwoRuns as passing:
            if time.monotonic() >= deadline:
                raise passing.error from None
            time.sleep(RETRY_S)


class _BetweenTwoRuns(Exception):
    """A broker is just starting or ending: trying again soon will tell.

    One whose program is dead serves out its last workers; one that has the lock and does not answer
    is not there yet, or not any more.
    """

    def __init__(self, error: PersistqError) -> None:
        super().__init__(error)
        self.error = error


def _attach(opening: Opening, ack_interval: float, timeout: float) -> OpenedRun | None:
    """Join the live broker; None if there is none that answers."""
    site = site_of(opening.path)
    holder = site.holder()
    if holder is None or not site.is_held():
        return None
    foreign = not site.reaches(holder) or holder.kind != opening.kind
    # What a live program works on is not abandoned behind its back.
    if foreign or opening.fresh:
        raise JournalBusy(opening.path, holder.peer.pid, holder.peer.node)
    handle = _handle(opening, holder, ack_interval, timeout)
    try:
        anchor, welcome = Connection.dial(handle, Role.ANCHOR)
    except BrokerSilent as silent:
        raise JournalUnavailable(opening.path, _silence(holder, silent.seconds)) from silent
    except BrokerLost:
        return None
    except RunEnded as ended:
        raise _BetweenTwoRuns(ended) from ended
    meant = welcome.load_id if opening.load is None and not welcome.reopened else opening.load
    if meant != welcome.load_id:
        # Only who names a load that was reopened works on it.
        anchor.close()
        raise JournalBusy(opening.path, holder.peer.pid, holder.peer.node)
    return OpenedRun(handle.on(welcome.entries[0]), anchor, welcome, None)


def _silence(holder: Holder, seconds: float) -> str:
    pid = holder.peer.pid
    return (
        f"its broker, process {pid}, has not answered within {seconds:g} s: if it is stopped, let "
        f"it go on (kill -CONT {pid}) or end it (kill -KILL {pid}); then run the script again"
    )


def _start(opening: Opening, ack_interval: float, timeout: float) -> OpenedRun:
    patience = timeout + opening.fence_timeout
    deadline = time.monotonic() + patience
    try:
        failpoints.point("client.before_start_broker")
        with forking.starting:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            with theirs:
                broker = _spawn(opening, theirs, deadline)
            anchor = Connection(ours, opening.name, opening.token)
    except OSError as error:
        raise BrokerLost(opening.name, f"it cannot be started: {error}") from error
    hello = Hello(this_process(), opening.family, Role.ANCHOR)
    try:
        failpoints.point("client.after_start_broker")
        welcome = anchor.greet(opening.path, hello, patience, deadline)
        holder = _published(opening, anchor, timeout)
    except JournalBusy as busy:
        _discard(anchor, broker)
        raise _BetweenTwoRuns(busy) from busy
    except (BrokerSilent, TimeoutError) as silent:
        _discard(anchor, broker)
        raise BrokerLost(opening.name, f"it has not come up within {patience:g} s") from silent
    except BrokerLost as lost:
        code = _discard(anchor, broker)
        # Popen says 0 where something else has collected the exit status.
        reason = f"it ended at start{f' with exit code {code}' if code else ''}"
        raise BrokerLost(opening.name, reason) from lost
    except OSError as error:
        _discard(anchor, broker)
        raise BrokerLost(opening.name, f"it cannot be reached: {error}") from error
    except BaseException:
        _discard(anchor, broker)
        raise
    handle = _handle(opening, holder, ack_interval, timeout)
    return OpenedRun(handle.on(welcome.entries[0]), anchor, welcome, broker)


def _published(opening: Opening, anchor: Connection, timeout: float) -> Holder:
    """Return where the broker listens; it has published that before it answered.

    Raises:
        TimeoutError: Its lock file was taken away.
    """
    holder = site_of(opening.path).holder()
    while holder is None:
        # So it is about to leave, and its last words, or the end of the stream, say why.
        anchor.receive(timeout)
    return holder


def _discard(anchor: Connection, broker: subprocess.Popen[bytes]) -> int:
    """End a broker that did not come up; return its exit code."""
    anchor.close()
    try:
        return broker.wait(END_S)
    except subprocess.TimeoutExpired:
        # It hangs before it has taken anything on, so nothing is lost with it.
        broker.kill()
        return broker.wait()


def _handle(opening: Opening, holder: Holder, ack_interval: float, patience: float) -> Handle:
    return Handle(
        opening.name,
        opening.path,
        holder.address,
        holder.token,
        opening.family,
        os.getpid(),
        0,
        ack_interval,
        patience,
    )


# Large items come and go. Where the C library is GNU's, it gives their memory back to the system
# each time, and fetching it again costs a tenth of the throughput.
_KEEPING_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}


def _spawn(opening: Opening, theirs: socket.socket, deadline: float) -> subprocess.Popen[bytes]:
    descriptor = theirs.fileno()
    code = (
        f"import os, sys; sys.path += map(os.fsdecode, {interpreter.places()!r}); "
        "from persistq.broker.__main__ import main; sys.exit(main())"
    )
    broker = subprocess.Popen(  # noqa: S603 - our own interpreter and code
        [sys.executable, *interpreter.options(), "-c", code, str(descriptor)],
        stdin=subprocess.PIPE,
        pass_fds=[descriptor],
        env=_KEEPING_MEMORY | os.environ,
    )
    try:
        _hand_over(opening, broker, deadline)
    except BaseException:
        broker.kill()
        broker.wait()
        raise
    return broker


def _hand_over(opening: Opening, broker: subprocess.Popen[bytes], deadline: float) -> None:
    """Tell a broker what to open; one that has ended will be found gone.

    Raises:
        TimeoutError: It does not read, and the pipe holds no more.
    """
    assert broker.stdin is not None
    with contextlib.suppress(BrokenPipeError), broker.stdin as stdin:
        os.set_blocking(stdin.fileno(), False)
        poller = select.poll()
        poller.register(stdin, select.POLLOUT)
        text = memoryview(opening_to_bytes(opening))
        while text:
            if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError("it does not read what it is to open")
            text = text[os.write(stdin.fileno(), text) :]


def new_token() -> str:
    """Return a secret that nobody guesses."""
    return secrets.token_hex(16)
