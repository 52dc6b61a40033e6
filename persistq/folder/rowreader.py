"""Gets rows: a batch file is claimed as a whole, and settled when all of its rows are."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final, NoReturn

from persistq import failpoints
from persistq.codec import VALUE
from persistq.errors import ClaimLost
from persistq.folder.batchfile import (
    SUFFIX,
    BatchFault,
    BatchWriter,
    check_batch,
    read_lines,
    stem_of,
)
from persistq.folder.claims import Claims
from persistq.folder.parking import park
from persistq.folder.reader import Delivery, Reader
from persistq.folder.rowlines import row_in
from persistq.wire.messages import Ended

ROW: Final = ".row"
"""Ends the draft of a row that is parked: what is lost if its writer dies is in its batch still."""


@dataclass(slots=True)
class _Batch:
    """A batch file that is claimed.

    Attributes:
        number: The claim.
        name: The file's name before.
        lines: The rows that are still to be read.
        left: How many are not settled.
        row: The number of the row that was read last, from 1.
    """

    number: int
    name: str
    lines: Iterator[bytes]
    left: int
    row: int = 0


_Row = tuple[_Batch, int, bytes]
"""A row's batch, its number there, and its line; a plain tuple, as one is made for every row."""


class RowReader:
    """The getting side of a queue of rows in this process; a channel of `BaseQueue`.

    Args:
        reader: Gets batch files.
        claims: Their claims.
    """

    def __init__(self, reader: Reader, claims: Claims) -> None:
        self._reader = reader
        self._claims = claims
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._batches: deque[_Batch] = deque()
        self._rows: dict[int, _Row] = {}
        self.keys = self

    def get(self, timeout: float | None = None) -> Delivery | Ended | None:
        """Return the next row; see `Reader.get`."""
        while True:
            if self._batches:
                with self._lock:
                    delivery = self._next_row()
                if delivery is not None:
                    return delivery
            answer = self._reader.get(timeout)
            if not isinstance(answer, tuple):
                return answer
            self._begin(answer[0], answer[2])

    def hold(self, item_id: int, since: float = 0.0) -> None:
        """Note nothing: a death is blamed on the batch that was claimed first."""

    def done(self, item_id: int, started: float, now: float) -> None:  # noqa: ARG002 - a channel has them
        """Settle a row, and with the last one its batch."""
        with self._lock:
            row = self._rows.pop(item_id, None) or self._lost()
            batch = row[0]
            batch.left -= 1
            if batch.left:
                return
        self._finish(batch)

    def failed(
        self,
        item_id: int,
        error_type: str,
        message: str,
        traceback: str = "",  # noqa: ARG002 - a channel has it, and so the following
        retry_after: float | None = None,  # noqa: ARG002
        *,
        final: bool = True,  # noqa: ARG002
    ) -> None:
        """Park a row alone, as a batch file that can be moved back."""
        with self._lock:
            row = self._rows.pop(item_id, None) or self._lost()
        self._park(row, error_type, message)
        with self._lock:
            is_over = _is_over(row[0])
        if is_over:
            self._finish(row[0])

    def give_back(self) -> None:
        """Let batches wait again that have a row that is not settled."""
        with self._lock:
            self._batches.clear()
            self._rows.clear()
        self._reader.give_back()

    def of(self, item_id: int) -> str:
        """Return the key of a row: that of its file as it is now, and its number there."""
        batch, number, _ = self._rows.get(item_id) or self._lost()
        return f"{self._reader.keys.of(batch.number)}-{number}"

    def _lost(self) -> NoReturn:
        raise ClaimLost(str(self._claims.owner.place.path), "a row")

    def _begin(self, number: int, path: Path) -> None:
        """Look at a batch that has just been claimed; what is no whole one is parked."""
        try:
            rows = check_batch(path)
        except BatchFault as fault:
            self._reader.failed(number, type(fault).__name__, str(fault))
            return
        if not rows:
            self._reader.done(number, 0.0, 0.0)
            return
        name = self._claims.claim(number).name
        with self._lock:
            self._batches.append(_Batch(number, name, read_lines(path, rows), rows))

    def _next_row(self) -> Delivery | None:
        while self._batches:
            batch = self._batches[0]
            line = next(batch.lines, None)
            if line is None:
                self._batches.popleft()
                continue
            batch.row += 1
            row = batch, batch.row, line
            try:
                value: Any = row_in(line)
            except (ValueError, RecursionError) as error:
                self._park_unreadable(row, error)
                continue
            item_id = next(self._numbers)
            self._rows[item_id] = row
            return item_id, VALUE, value, 0
        return None

    def _park_unreadable(self, row: _Row, error: Exception) -> None:
        batch, number, _ = row
        self._park(row, type(error).__name__, f"row {number} is no JSON: {error}")
        if _is_over(batch):
            self._finish(batch)

    def _finish(self, batch: _Batch) -> None:
        failpoints.point("folder.before_batch_done")
        self._reader.done(batch.number, 0.0, 0.0)

    def _park(self, row: _Row, kind: str, reason: str) -> None:
        batch, number, line = row
        owner = self._claims.owner
        writer = BatchWriter(owner.tmp / f"{batch.number}-{number}{ROW}")
        writer.add(line)
        writer.finish()
        failpoints.point("folder.before_row_parked")
        name = f"{stem_of(batch.name)}.row-{number}{SUFFIX}"
        park(owner, writer.path, name, kind, reason)


def _is_over(batch: _Batch) -> bool:
    """Settle one more of a batch's rows, with the lock; return whether it was the last."""
    batch.left -= 1
    return not batch.left
