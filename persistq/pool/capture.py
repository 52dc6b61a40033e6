"""What handlers print and log: told to the supervisor, with the item that was worked on."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TextIO

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persistq.channel import Intake
    from persistq.pool.telling import Teller

LINE_CHARS_MAX: Final = 8_000
"""A longer line is told in pieces."""

BEGUN_MAX: Final = 1_000
"""So many lines may be begun at the same time, each by another item."""

PRINTED: Final = b">"
LOGGED: Final = b"#"

ItemAtWork = Callable[[], int]
"""Returns the item that is worked on, 0 if it is none or several."""

_pack: Final = msgspec.msgpack.Encoder().encode


class Line(msgspec.Struct, array_like=True, frozen=True):
    """A line that was printed, or a piece of one.

    Attributes:
        stream: 1 for standard output, 2 for standard error.
        item_id: The item that was worked on, 0 if none or several.
        text: The line.
        ends: Whether a line ends here.
    """

    stream: int
    item_id: int
    text: str
    ends: bool = True


class Record(msgspec.Struct, array_like=True, frozen=True):
    """A record that was logged.

    Attributes:
        item_id: The item that was worked on, 0 if none or several.
        attempt: Which attempt at it, from 1; 0 if it is none.
        fields: What makes a `logging.LogRecord`.
    """

    item_id: int
    attempt: int
    fields: dict[str, Any]


class CapturedStream(io.TextIOBase):
    """Stands for ``sys.stdout`` or ``sys.stderr`` in a worker, and tells what is printed by line.

    What is written to the descriptor itself, by C code or by programs that handlers start, goes
    where it always went.

    Args:
        stream: 1 for standard output, 2 for standard error.
        original: What it stands for.
        teller: Where lines are told.
        item_at_work: Says which item a line belongs to.
        strand: Says which line goes on: one is begun by each item that is worked on at the same
            time as others.
    """

    def __init__(
        self,
        stream: int,
        original: TextIO,
        teller: Teller,
        item_at_work: ItemAtWork,
        strand: ItemAtWork = int,
    ) -> None:
        self._stream = stream
        self._original = original
        self._teller = teller
        self._item_at_work = item_at_work
        self._strand = strand
        self._lock = threading.RLock()
        self._begun: dict[int, tuple[int, str]] = {}

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the original."""
        return self._original.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """That of the original."""
        return self._original.errors

    @property
    def buffer(self) -> Any:
        """That of the original: bytes are not captured."""
        return self._original.buffer

    def fileno(self) -> int:
        """Return the descriptor of the original."""
        return self._original.fileno()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Tell the lines that end in a text; keep what follows the last end."""
        if not self._teller.is_own:
            return self._original.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        with self._lock:
            strand, now = self._strand(), self._item_at_work()
            item_id, begun = self._begun.pop(strand, (now, ""))
            *lines, rest = (begun + text).split("\n")
            for line in lines:
                self._tell(item_id, line, ends=True)
                item_id = now
            if len(rest) > LINE_CHARS_MAX:
                self._tell(item_id, rest, ends=False)
            elif rest:
                self._begun[strand] = item_id, rest
                self._end_all(but=BEGUN_MAX)
        return len(text)

    def flush(self) -> None:
        """Nothing: a line is told when it ends."""
        if not self._teller.is_own:
            self._original.flush()

    def finish(self) -> None:
        """Tell what was begun and has no end."""
        with self._lock:
            self._end_all()

    def _end_all(self, but: int = 0) -> None:
        while len(self._begun) > but:
            item_id, text = self._begun.pop(next(iter(self._begun)))
            self._tell(item_id, text, ends=True)

    def _tell(self, item_id: int, text: str, *, ends: bool) -> None:
        pieces = [text[n : n + LINE_CHARS_MAX] for n in range(0, len(text), LINE_CHARS_MAX)] or [""]
        for piece in pieces[:-1]:
            self._tell_piece(item_id, piece, ends=False)
        self._tell_piece(item_id, pieces[-1], ends=ends)

    def _tell_piece(self, item_id: int, piece: str, *, ends: bool) -> None:
        safe = piece.encode("utf-8", "backslashreplace").decode()
        self._teller.tell(PRINTED + _pack(Line(self._stream, item_id, safe, ends)))


class Capture:
    """Captures what this process prints from now on, and what it logs.

    Args:
        teller: Where it is told.
    """

    def __init__(self, teller: Teller) -> None:
        self._channel: Intake | None = None
        self._teller = teller
        self._streams: list[CapturedStream] = []
        if sys.stdout is not None:
            sys.stdout = self._captured(1, sys.stdout)
        if sys.stderr is not None:
            sys.stderr = self._captured(2, sys.stderr)

    def follow(self, channel: Intake) -> None:
        """Say of what comes from now on which item it belongs to.

        Args:
            channel: Knows what is worked on.
        """
        self._channel = channel

    def take_records(self, levels: Mapping[str, int]) -> None:
        """Tell what is logged as well, in place of what handled it before.

        Who has not imported `logging` by now logs nothing but what it prints to standard error.

        Args:
            levels: The levels of the supervisor's loggers, by name.
        """
        if "logging" in sys.modules:
            from persistq.pool.records import send_all

            send_all(self._teller, self._attempt_at_work, levels)

    def _at_work(self) -> int:
        return 0 if self._channel is None else self._channel.item_at_work

    def _attempt_at_work(self) -> tuple[int, int]:
        return self._at_work(), 0 if self._channel is None else self._channel.attempt_at_work

    def _strand(self) -> int:
        several = self._channel is not None and self._channel.at_once > 1
        return self._at_work() if several else 0

    def finish(self) -> None:
        """Tell what was printed without an end of line."""
        for stream in self._streams:
            stream.finish()

    def _captured(self, number: int, original: TextIO) -> Any:
        stream = CapturedStream(number, original, self._teller, self._at_work, self._strand)
        self._streams.append(stream)
        return stream


def levels_of_loggers() -> dict[str, int]:
    """Return the levels of this process's loggers, by name, where one is set."""
    if "logging" not in sys.modules:
        return {}
    import logging

    root = logging.getLogger()
    named = {name: logging.getLogger(name).level for name in logging.Logger.manager.loggerDict}
    return {"": root.level} | {name: level for name, level in named.items() if level}
