"""Having nobody claim anything for a while: a file says so to all readers."""

from __future__ import annotations

import os

from persistq.folder.names import PAUSE
from persistq.folder.place import Place
from persistq.folder.reader import reported


def pause(place: Place) -> None:
    """Have nobody claim anything; what is in hands is finished, and put can still be.

    Crash: it is paused or not.

    Raises:
        FolderError: The folder cannot be written.
    """
    with reported(place):
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(place.path / PAUSE, flags, 0o666))


def resume(place: Place) -> None:
    """Let files be claimed again.

    Crash: it is paused or not.

    Raises:
        FolderError: The folder cannot be written.
    """
    with reported(place):
        (place.path / PAUSE).unlink(missing_ok=True)
