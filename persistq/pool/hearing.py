"""What workers print and log, as the supervisor passes it on: shown, handled, and kept."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from typing import Final, Protocol

import msgspec

from persistq.itemnames import item_name
from persistq.pool.capture import LOGGED, PRINTED, Line, Record

ITEM_LINES_MAX: Final = 100
"""So many lines of one attempt are kept in the journal; all of them are shown."""

KEPT_CHARS_MAX: Final = 1_000
"""So much of a line is kept."""

BATCH_LINES: Final = 1_000

PIECES_MAX: Final = 128
"""A line of more pieces, about a million characters, is shown as several."""

_line: Final = msgspec.msgpack.Decoder(Line)
_record: Final = msgspec.msgpack.Decoder(Record)


class Screen(Protocol):
    """Where lines of workers are shown."""

    def aside(self) -> AbstractContextManager[None]:
        """Let others write to the terminal, above what is drawn there."""

    def pass_on(self, stream: int, text: str) -> None:
        """Write to standard output (1) or standard error (2) as it is."""


class Hearing:
    """Passes on what workers print and log.

    Args:
        screen: Where lines are shown.
        journal: The field ``journal`` of records.
        load: Their field ``load``.
    """

    def __init__(self, screen: Screen, journal: str, load: int) -> None:
        self._screen = screen
        self._fields = {"journal": journal, "load": load}
        self._kept: list[tuple[int, int, str]] = []
        self._counts: dict[str, tuple[int, int]] = {}
        self._pieces: dict[tuple[str, int], list[Line]] = {}

    def pass_on(self, heard: Iterable[tuple[str, str, bytes]]) -> None:
        """Show lines, and hand records to this process's handlers.

        Args:
            heard: Who has told it, the stage's name, and the message.
        """
        messages = [*heard]
        if not messages:
            return
        with self._screen.aside():
            for place, stage, message in messages:
                # Code of the user's may have found the pipe, and said what nobody understands.
                with suppress(msgspec.MsgspecError):
                    self._pass_on(place, stage, message)

    def take_kept(self) -> list[list[tuple[int, int, str]]]:
        """Return the lines to be kept, as (item, stream, text), some together."""
        kept, self._kept = self._kept, []
        return [kept[n : n + BATCH_LINES] for n in range(0, len(kept), BATCH_LINES)]

    def _pass_on(self, place: str, stage: str, message: bytes) -> None:
        if message.startswith(PRINTED):
            self._show(place, _line.decode(message[1:]))
        elif message.startswith(LOGGED):
            self._handle(stage, _record.decode(message[1:]))

    def _show(self, place: str, line: Line) -> None:
        pieces = self._pieces.setdefault((place, line.stream), [])
        pieces.append(line)
        if line.ends or len(pieces) >= PIECES_MAX:
            self._write(place, self._pieces.pop((place, line.stream)))

    def finish(self, place: str) -> None:
        """Show what a worker that has ended had begun to tell of a line."""
        for stream in (1, 2):
            if pieces := self._pieces.pop((place, stream), []):
                with self._screen.aside():
                    self._write(place, pieces)

    def _write(self, place: str, pieces: list[Line]) -> None:
        text, line = "".join(piece.text for piece in pieces), pieces[0]
        self._screen.pass_on(line.stream, f"{text}\n")
        if line.item_id:
            self._keep(place, Line(line.stream, line.item_id, text))

    def _keep(self, place: str, line: Line) -> None:
        item_id, count = self._counts.get(place, (0, 0))
        count = count + 1 if item_id == line.item_id else 1
        self._counts[place] = line.item_id, count
        if count <= ITEM_LINES_MAX:
            self._kept.append((line.item_id, line.stream, _capped(line.text)))

    def _handle(self, stage: str, record: Record) -> None:
        from persistq.pool.records import handle

        item = item_name(stage, record.item_id) if record.item_id else ""
        handle(record, stage=stage, item=item, **self._fields)


def _capped(text: str) -> str:
    return text if len(text) <= KEPT_CHARS_MAX else f"{text[: KEPT_CHARS_MAX - 1]}…"
