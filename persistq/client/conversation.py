"""What an exception from elsewhere, such as Ctrl-C, must not tear apart."""

from __future__ import annotations

from typing import Protocol


class Interruptible(Protocol):
    """What may be interrupted: a stream."""

    def interrupted(self, error: BaseException) -> None:
        """Look whether it can still be used."""


class Conversation:
    """Steps that belong together: if they are interrupted, the connection is not used any more.

    Ctrl-C raises between any two steps of the interpreter. What it struck is half done: items are
    counted and not sent, or a message was read and not heeded, and who goes on might wait for ever
    for what has come already.

    Args:
        stream: The connection's bytes.
    """

    __slots__ = ("_stream",)

    def __init__(self, stream: Interruptible) -> None:
        self._stream = stream

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Look whether the connection can still be used."""
        if error is not None:
            self._stream.interrupted(error)
