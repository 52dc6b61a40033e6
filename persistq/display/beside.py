"""What the program itself prints while a picture is drawn: it goes above that."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import Console

_NAMES: Final = ("stdout", "stderr")


class Above(io.TextIOBase):
    """Stands for a standard stream that is a terminal, and prints whole lines above the picture.

    In a process that is forked it is the stream itself: the picture is its parent's.

    Args:
        console: Where the picture is drawn.
        original: What it stands for.
    """

    def __init__(self, console: Console, original: TextIO) -> None:
        self.original = original
        self._console = console
        self._pid = os.getpid()
        self._begun = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the original."""
        return self.original.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """That of the original."""
        return self.original.errors

    @property
    def buffer(self) -> Any:
        """That of the original: bytes go where they always went."""
        return self.original.buffer

    def fileno(self) -> int:
        """Return the descriptor of the original."""
        return self.original.fileno()

    def isatty(self) -> bool:
        """Return True: for others nothing stands in."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Print the lines that end in a text; keep what follows the last end."""
        if os.getpid() != self._pid:
            return self.original.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        *lines, self._begun = (self._begun + text).split("\n")
        if lines:
            self._console.print(Text.from_ansi("\n".join(lines)))
        return len(text)

    def flush(self) -> None:
        """Flush the stream; a line is printed when it ends."""
        self.original.flush()

    def finish(self) -> None:
        """Print what was begun and has no end."""
        if self._begun:
            self.write("\n")


class Beside:
    """The standard streams of the program, as long as a picture is drawn.

    Args:
        console: Where it is drawn.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._above: dict[str, Above] = {}

    def begin(self) -> None:
        """Have lines go above the picture from now on, on streams that are a terminal."""
        for name in _NAMES:
            stream = getattr(sys, name)
            if stream is not None and stream.isatty():
                self._above[name] = Above(self._console, stream)
                setattr(sys, name, self._above[name])

    def end(self) -> None:
        """Put the streams back, unless the program has put others there meanwhile."""
        for name, above in self._above.items():
            above.finish()
            if getattr(sys, name) is above:
                setattr(sys, name, above.original)
        self._above.clear()

    def original(self, name: str) -> TextIO | None:
        """Return a stream as it was, to write to it as it is; None if it is closed.

        Args:
            name: ``stdout`` or ``stderr``.
        """
        stream: TextIO | None = getattr(sys, name)
        return stream.original if isinstance(stream, Above) else stream
