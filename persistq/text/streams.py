"""Standard streams: what persistq says there, and what happens when nobody listens.

A message that nobody reads is no failure of the work: the reader of a pipe leaves (``| head``), a
stream was closed (``2>&-``), a terminal goes away, a log's disk is full. Only what the user's own
code writes is the user's business, and fails there as Python lets it fail.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

_STANDARD = (0, 1, 2)

_hidden: dict[str, TextIO] = {}
"""Streams that cannot be flushed, by their name in `sys`, while a child is being started."""


def say(text: str) -> None:
    """Write one line to standard error, if there is one and somebody reads it."""
    write(sys.stderr, f"{text}\n")


def write(stream: TextIO | None, text: str) -> None:
    """Write to a stream at once; that nobody reads it is no error.

    Args:
        stream: Where to; None is a stream that was closed before Python began.
        text: What to write; characters that the stream's encoding lacks are escaped.
    """
    if stream is None:
        return
    try:
        _write_now(stream, text)
    except (OSError, ValueError):
        throw_away(stream)


def _write_now(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        stream.write(text.encode("ascii", "backslashreplace").decode())
    stream.flush()


def throw_away(stream: TextIO) -> None:
    """Empty a stream that cannot be written: each later flush would fail, the one at exit too.

    Later writes fail or succeed as they would have done.
    """
    with contextlib.suppress(OSError, ValueError):
        file = stream.fileno()
        inherited = os.get_inheritable(file)
        kept = os.dup(file)
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, file, inheritable=inherited)
            os.close(nowhere)
            stream.flush()
        finally:
            os.dup2(kept, file, inheritable=inherited)
            os.close(kept)


def fill_descriptors() -> None:
    """Open the null device as each standard stream that was closed before this process began.

    Otherwise the next socket or file gets its number, and what C libraries and children write to
    "standard error" ends in it.
    """
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            # The system gives the lowest number that is free.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


# --- at exit --------------------------------------------------------------------------------------


def end_truthfully() -> None:
    """See to it that a reader who has left does not change this process's exit code.

    Python flushes its streams last of all, and exits with 120 if that fails.
    """
    atexit.unregister(_forget_readers_gone)
    atexit.register(_forget_readers_gone)


def _forget_readers_gone() -> None:
    for stream in (sys.stdout, sys.stderr):
        error = _unflushed(stream)
        # On a full disk something is lost that somebody wanted, except for messages.
        if error is not None and (stream is sys.stderr or reader_gone(stream, error)):
            throw_away(stream)


def reader_gone(stream: TextIO, error: OSError) -> bool:
    """Return whether an error of writing means that nobody reads any more."""
    if error.errno != errno.EIO:
        return error.errno == errno.EPIPE
    # A terminal that was closed answers like a disk that fails.
    with contextlib.suppress(OSError, ValueError):
        return stat.S_ISCHR(os.fstat(stream.fileno()).st_mode)
    return False


def _unflushed(stream: TextIO | None) -> OSError | None:
    """Return why a stream cannot be flushed; None if it can."""
    try:
        if stream is not None:
            stream.flush()
    except OSError as error:
        return error
    except ValueError:
        # It was closed.
        pass
    return None


# --- around children ------------------------------------------------------------------------------


@contextlib.contextmanager
def hidden_if_broken() -> Iterator[None]:
    """Let multiprocessing start a child although what is left in a stream cannot be written.

    It flushes both streams before, and takes an error for one of the start. What is left stays for
    the end of this process, whose exit code tells.
    """
    _forget_readers_gone()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if _unflushed(stream) is not None:
            _hidden[name] = stream
            setattr(sys, name, None)
    try:
        yield
    finally:
        _show()


def begin_as_child() -> None:
    """Take up the standard streams in a child; what a parent had left in them is the parent's."""
    for stream in _show():
        throw_away(stream)


def _show() -> list[TextIO]:
    shown = dict(_hidden)
    _hidden.clear()
    for name, stream in shown.items():
        setattr(sys, name, stream)
    return list(shown.values())


@contextlib.contextmanager
def broken_pipes_told() -> Iterator[None]:
    """Let a broken pipe be an error instead of a signal that ends the process, in a main thread.

    Python begins like that; programs that call ``signal.signal(SIGPIPE, SIG_DFL)`` would end in the
    middle of their work by a message that nobody reads.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, previous)
