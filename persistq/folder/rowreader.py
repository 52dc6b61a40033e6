"""Gets rows: a batch file is claimed as a whole, and settled when all of its rows are."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

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
from persistq.wire.messages import Ended

ROW: Final = ".row"
"""Ends the draft of a row that is parked: what is lost if its writer dies is in its batch still."""


@dataclass
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


@dataclass(frozen=True, slots=True)
class _Row:
    batch: _Batch
    number: int
    line: bytes


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
            row = self._row(item_id)
            del self._rows[item_id]
        self._settle(row.batch)

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
            row = self._row(item_id)
            del self._rows[item_id]
        self._park(row, error_type, message)
        self._settle(row.batch)

    def give_back(self) -> None:
        """Let batches wait again that have a row that is not settled."""
        with self._lock:
            self._batches.clear()
            self._rows.clear()
        self._reader.give_back()

    def of(self, item_id: int) -> str:
        """Return the key of a row: that of its file as it is now, and its number there."""
        row = self._row(item_id)
        return f"{self._reader.keys.of(row.batch.number)}-{row.number}"

    def _row(self, item_id: int) -> _Row:
        if item_id not in self._rows:
            raise ClaimLost(str(self._claims.owner.place.path), "a row")
        return self._rows[item_id]

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
            self._batches.append(_Batch(number, name, read_lines(path), rows))

    def _next_row(self) -> Delivery | None:
        while self._batches:
            batch = self._batches[0]
            line = next(batch.lines, None)
            if line is None:
                self._batches.popleft()
                continue
            batch.row += 1
            delivery = self._delivered(_Row(batch, batch.row, line))
            if delivery is not None:
                return delivery
        return None

    def _delivered(self, row: _Row) -> Delivery | None:
        try:
            value: Any = json.loads(row.line)
        except (ValueError, RecursionError) as error:
            self._park(row, type(error).__name__, f"row {row.number} is no JSON: {error}")
            self._settle(row.batch)
            return None
        number = next(self._numbers)
        self._rows[number] = row
        return number, VALUE, value, 0

    def _settle(self, batch: _Batch) -> None:
        batch.left -= 1
        if not batch.left:
            failpoints.point("folder.before_batch_done")
            self._reader.done(batch.number, 0.0, 0.0)

    def _park(self, row: _Row, kind: str, reason: str) -> None:
        owner = self._claims.owner
        writer = BatchWriter(owner.tmp / f"{row.batch.number}-{row.number}{ROW}")
        writer.add(row.line)
        writer.finish()
        failpoints.point("folder.before_row_parked")
        name = f"{stem_of(row.batch.name)}.row-{row.number}{SUFFIX}"
        park(owner, writer.path, name, kind, reason)
