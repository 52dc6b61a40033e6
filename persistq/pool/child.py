"""What every process that a supervisor starts does first."""

from __future__ import annotations

import contextlib
import ctypes
import enum
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing import connection, forkserver

from persistq import failpoints
from persistq.errors import PersistqError
from persistq.pool.title import entitle
from persistq.text.streams import begin_as_child
from persistq.text.terminal import text_of

ORPHANED = 75
"""Exit status of a child whose supervisor is gone."""

UNGUARDED = 76
"""Exit status of a child that would have run the pipeline when it imported the script."""

UNCLEAN = 1
"""Exit status of a child whose work is over, and whose context could not be cleaned up."""

UNGUARDED_WHY = (
    "it imports the script, which runs its pipeline then as well: put run() below "
    'if __name__ == "__main__":'
)

ORPHAN_PAUSE_S = 0.1

COMPLAINT_BYTES = 2_000
"""A pipe takes that without waiting for a reader."""

_PR_SET_PDEATHSIG = 1


class Word(bytes, enum.Enum):
    """What a child tells its supervisor of itself, once each."""

    READY = b"ready"
    """All that it needs is imported and set up; what ends it from now on is its work."""
    OVER = b"over"
    """There is no more work of its kind, so nobody need take its place."""
    RECYCLED = b"recycled"
    """It has done its share, and another one goes on."""


@contextlib.contextmanager
def told_in_one_sentence(name: str) -> Iterator[None]:
    """End this process with one sentence if the system refuses something: socket, pipe or fence.

    Args:
        name: What this process does.
    """
    try:
        yield
    except PersistqError:
        raise
    except OSError as error:
        sys.exit(f"persistq: {name}: {error}")


_COMPLAINT = b"!"


def complaint(error: BaseException) -> bytes:
    """Return what a child could not do of its own, as it tells its supervisor beside its words."""
    return _COMPLAINT + f"{type(error).__qualname__}: {text_of(error)}".encode()[:COMPLAINT_BYTES]


def complaint_in(words: list[bytes]) -> str:
    """Return what a child could not do, start or clean up, if it has said so."""
    said = [word for word in words if word.startswith(_COMPLAINT)]
    return said[-1].removeprefix(_COMPLAINT).decode(errors="replace") if said else ""


def end_if_imported() -> None:
    """End this process if it only imports the script, as children do that are not forked.

    It would start the pipeline that it is to be a part of.
    """
    if not getattr(multiprocessing.current_process(), "_inheriting", False):
        return
    if _is_fork_server():
        # It has no exit status that anybody learns.
        sys.exit(f"persistq: the fork server cannot be started: {UNGUARDED_WHY}")
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(UNGUARDED)


def _is_fork_server() -> bool:
    code = " ".join(sys.orig_argv)
    return "multiprocessing.forkserver" in code and forkserver.get_inherited_fds() is None


def become_child(supervisor_pid: int) -> None:
    """Leave the terminal's group, take default signals, and die with the supervisor.

    Ctrl-C goes to the whole foreground group, but ending a run in good order is the supervisor's
    business; a group of its own keeps the signal from this process and from what its handler
    starts.

    Args:
        supervisor_pid: The supervisor.
    """
    failpoints.point("child.before_signals")
    os.setpgid(0, 0)
    begin_as_child()
    entitle(multiprocessing.current_process().name)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    # What has come since the fork was told to this process, and not to the one it was.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # Who ignores it is told that every program has ended well, also one that handlers start.
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    _die_with(supervisor_pid)


def _die_with(supervisor_pid: int) -> None:
    if sys.platform == "linux" and os.getppid() == supervisor_pid:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # It may have died before the line above was in force.
        if os.getppid() != supervisor_pid:
            os._exit(ORPHANED)
        return
    # Under forkserver the parent is the server, and other systems have no such signal.
    threading.Thread(target=_watch_parent, name="persistq-lifeline", daemon=True).start()


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        with contextlib.suppress(OSError):
            connection.wait([parent.sentinel])
        # A dying process closes its files in no certain order. If this one's end came before the
        # supervisor's, the broker would blame the item in hand.
        time.sleep(ORPHAN_PAUSE_S)
        os._exit(ORPHANED)
