"""A terminal for the command, of 80 columns and 24 lines."""

from __future__ import annotations

import os
import pty
import subprocess

from .acting import COMMAND, TIMEOUT_S


def on_terminal(*args: str, colour: bool = False) -> str:
    """Run the command on a terminal of 80 columns, and return all that it wrote there."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "80", "TERM": "xterm", "NO_COLOR": "" if colour else "1"}
    with subprocess.Popen(
        [*COMMAND, *args], stdout=theirs, stderr=theirs, env=environment
    ) as child:
        os.close(theirs)
        chunks = []
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # Linux says EIO when the last writer has gone.
                break
            if not chunk:
                break
            chunks.append(chunk)
        assert child.wait(TIMEOUT_S) == 0
    os.close(ours)
    return b"".join(chunks).decode().replace("\r\n", "\n")
