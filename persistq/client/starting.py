"""Opening a load: attach to its live broker, or start one.

A broker is a fresh interpreter, never a fork of the caller: it must share neither threads nor
database handles with user code.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from persistq.broker.wire import Hello, Opening, Role, Welcome
from persistq.client.connection import Connection, Handle
from persistq.errors import BrokerLost, JournalBusy, RunEnded
from persistq.runlock import Holder, holder_of, is_held, lock_path

RETRY_S = 0.02


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
        JournalError: The journal cannot be used.
        BrokerLost: The broker did not start.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            opened = _attach(opening, ack_interval) or _start(opening, ack_interval, timeout)
        except (JournalBusy, RunEnded, BrokerLost) as refused:
            if not _passing(refused, opening) or time.monotonic() >= deadline:
                raise
            time.sleep(RETRY_S)
        else:
            return opened


def _passing(refused: JournalBusy | RunEnded | BrokerLost, opening: Opening) -> bool:
    """Return whether to try again: a broker is between two states.

    One that has the lock and no address is starting or ending; one whose program is dead serves out
    its last workers; one that vanished while we spoke to it leaves the way free.
    """
    if isinstance(refused, RunEnded):
        return True
    lock = lock_path(opening.path)
    holder = holder_of(lock)
    if isinstance(refused, JournalBusy):
        return holder is None or holder.kind == opening.kind == "queue" or not is_held(lock)
    return holder is not None and not is_held(lock)


def _attach(opening: Opening, ack_interval: float) -> OpenedRun | None:
    lock = lock_path(opening.path)
    holder = holder_of(lock)
    if holder is None or not is_held(lock):
        return None
    if holder.host != socket.gethostname():
        raise JournalBusy(opening.path, holder.pid, holder.host)
    handle = _handle(opening, holder, ack_interval)
    try:
        anchor, welcome = Connection.dial(handle, Role.ANCHOR)
    except BrokerLost:
        return None
    return OpenedRun(handle.on(welcome.queues[0].queue_id), anchor, welcome, None)


def _start(opening: Opening, ack_interval: float, timeout: float) -> OpenedRun:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs:
        broker = _spawn(opening, theirs)
    anchor = Connection(ours, opening.name)
    hello = Hello(opening.token, os.getpid(), opening.family, Role.ANCHOR)
    try:
        anchor.send(hello)
        welcome = anchor.receive(timeout + opening.fence_timeout)
        assert isinstance(welcome, Welcome), welcome
    except BaseException as error:
        anchor.close()
        code = broker.wait()
        if isinstance(error, BrokerLost):
            raise BrokerLost(opening.name, f"it ended at start with exit code {code}") from error
        raise
    holder = holder_of(lock_path(opening.path))
    assert holder is not None, "the broker published itself before it answered"
    handle = _handle(opening, holder, ack_interval)
    return OpenedRun(handle.on(welcome.queues[0].queue_id), anchor, welcome, broker)


def _handle(opening: Opening, holder: Holder, ack_interval: float) -> Handle:
    return Handle(
        opening.name,
        opening.path,
        holder.address,
        holder.token,
        opening.family,
        os.getpid(),
        0,
        ack_interval,
    )


def _spawn(opening: Opening, theirs: socket.socket) -> subprocess.Popen[bytes]:
    descriptor = theirs.fileno()
    # -P keeps the script's directory off the broker's path, where a user's queue.py would shadow
    # the standard library; persistq itself may come from a checkout, so its place goes last.
    home = str(Path(__file__).resolve().parents[2])
    code = (
        f"import sys; sys.path.append({home!r}); "
        "from persistq.broker.__main__ import main; sys.exit(main())"
    )
    broker = subprocess.Popen(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-P", "-c", code, str(descriptor)],
        stdin=subprocess.PIPE,
        pass_fds=[descriptor],
    )
    assert broker.stdin is not None
    with contextlib.suppress(BrokenPipeError), broker.stdin as stdin:
        stdin.write(msgspec.json.encode(opening))
    return broker


def new_token() -> str:
    """Return a secret that nobody guesses."""
    return secrets.token_hex(16)
