"""A terminal for the command, of 80 columns and 24 lines."""

from __future__ import annotations

import os
import pty
import subprocess

from .acting import COMMAND, TIMEOUT_S


def on_terminal(*args: str, colour: bool = False, code: int = 0) -> str:
    """Run the command on a terminal of 80 columns, and return all that it wrote there."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "80", "TERM": "xterm", "NO_COLOR": "" if colour else "1"}
    with subprocess.Popen(
        [*COMMAND, *args], stdout=theirs, stderr=theirs, env=environment
    ) as child:
        os.close(theirs)
        written = b"".join(iter(lambda: _read(ours), b""))
        assert child.wait(TIMEOUT_S) == code
    os.close(ours)
    return _lines(written)


def answering(question: str, answer: str, *args: str, code: int = 0) -> str:
    """Run the command on a terminal, answer a question there, and return all that was written."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "80", "TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen(
        [*COMMAND, *args], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as child:
        os.close(theirs)
        written, asked = b"", False
        while chunk := _read(ours):
            written += chunk
            if not asked and question.encode() in written:
                os.write(ours, answer.encode())
                asked = True
        assert child.wait(TIMEOUT_S) == code, written
    os.close(ours)
    assert asked, written
    return _lines(written)


def _lines(written: bytes) -> str:
    return written.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says EIO when the last writer has gone.
        return b""
