"""When, and in which run, something was recorded: one row for all commits of a moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from persistq.journal import changes

if TYPE_CHECKING:
    from persistq.journal.writer import Writer

TURN_S: Final = 0.05
"""How long a turn lasts: blocks and ranges know their time to about this much. With less, what goes
by one item at a time pays for a row, and a page of the log, with every other commit."""


class Turns:
    """The turn that commits of now belong to.

    Each commit of puts or ends is made in a ``with`` block of it, outside its transaction: if that
    is rolled back, so may be the turn's row, and the next one writes another.
    """

    def __init__(self) -> None:
        self._turn_id: int | None = None
        self._began = 0.0

    def current(self, writer: Writer, run_id: int | None) -> int:
        """Return the number of the present turn, which a transaction has to be open for.

        Crash: a turn is recorded with the first commit that names it, or neither is.
        """
        moment = time.monotonic()
        if self._turn_id is None or moment >= self._began + TURN_S:
            at = int(time.time() * 1000)
            self._turn_id = writer.execute(changes.BEGIN_TURN, of_run=run_id, at=at).lastrowid
            self._began = moment
        assert self._turn_id is not None
        return self._turn_id

    def end(self) -> None:
        """Begin a new turn with the next commit."""
        self._turn_id = None

    def __enter__(self) -> None:
        """Begin a commit."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End a commit."""
        if kind is not None:
            self.end()
