"""Receipts: what says, within the target itself, that an item is stored there.

A receipt is written in the same transaction as what the item has led to. So one is there exactly if
the other is, whatever died in between, and also if the answer to a commit was lost: who asks later
finds out. Items with consecutive ids that are stored together share one row of the table
`persistq_receipt`, whatever batches they come in later.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import repeat
from typing import Final, NamedTuple, Protocol

from persistq.errors import TransactionEnded
from persistq.items import ranges_of
from persistq.sinks.faults import Fault
from persistq.sinks.statements import Statements
from persistq.sinks.target import Session

PURGED_AT_ONCE: Final = 10_000
"""How many rows are deleted in one transaction, about."""

OUTPUTS_MAX: Final = 1 << 20
"""When a row keeps more bytes of outputs than this, the next item begins another one."""

Row = tuple[int, int, str | None, str | None, str]
"""First item, last item, outputs of each as JSON, files, and the items as a range of numbers that
no item of another run is in."""


class Key(NamedTuple):
    """What names an item in all the world, in two parts: see `persistq.keys`.

    Attributes:
        run: UUID of the run that put it, 32 hex digits.
        item: Its id.
    """

    run: str
    item: int

    @classmethod
    def of(cls, text: str) -> Key:
        """Take a key apart."""
        run, _, item = text.partition("-")
        return cls(run, int(item))

    @classmethod
    def many(cls, run: str, first: int, last: int) -> Iterator[Key]:
        """Yield the keys of consecutive items of a run."""
        # The constructor of a named tuple takes several times as long.
        return map(partial(tuple.__new__, cls), zip(repeat(run), range(first, last + 1)))


class Receipt(NamedTuple):
    """What is kept of a stored item.

    Attributes:
        outputs: What came of it, encoded; None if nothing did.
        files: The files that it, or another item of its batch, was to finish, as text; see
            `persistq.sinks.files`.
    """

    outputs: bytes | None
    files: str | None = None


class ReceiptTaken(Exception):
    """Somebody else has stored an item since it was looked for; nothing of it is lost."""

    fault = Fault.CONFLICT


class Receipts(Protocol):
    """The table of receipts of one target."""

    def create(self, session: Session) -> None:
        """Make the table, unless it is there."""

    def look(self, session: Session) -> None:
        """Raise what the driver raises if the table is missing, or is another."""

    def find(self, session: Session, keys: Sequence[Key]) -> dict[Key, Receipt]:
        """Return those of the items that are stored; others that share a row may be among them."""

    def add(
        self,
        session: Session,
        keys: Sequence[Key],
        outputs: Sequence[bytes | None],
        files: str | None = None,
    ) -> None:
        """Write the receipts of items that are stored in this transaction.

        Crash: as what else is in the transaction: all of it is committed, or nothing.

        Args:
            session: The transaction.
            keys: The items, at least one.
            outputs: What came of each, for whoever asks for it again.
            files: The files that they were to finish; kept with one of them.

        Raises:
            ReceiptTaken: One of them was written meanwhile, by another transaction.
            TransactionEnded: This is another transaction than the one they were looked for in.
        """

    def purge_some(self, session: Session, run: str, first: int, last: int) -> int:
        """Delete about `PURGED_AT_ONCE` rows that nobody will ask for, from the smallest ids on.

        A row stays if it is the receipt of an item outside as well.

        Returns:
            How many there were; fewer than `PURGED_AT_ONCE` if no others are left.
        """


class PlainReceipts:
    """Receipts in SQL that is written for the dialect.

    Args:
        statements: That SQL.
    """

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def create(self, session: Session) -> None:
        """Make the table, unless it is there."""
        session.execute(self._sql.create)

    def look(self, session: Session) -> None:
        """Raise if the table is missing, or is another."""
        session.execute(self._sql.look)

    def find(self, session: Session, keys: Sequence[Key]) -> dict[Key, Receipt]:
        """Return those of the items that are stored."""
        found: dict[Key, Receipt] = {}
        for run, items in by_run(keys):
            spans = json.dumps(ranges_of(items))
            for row in session.execute(self._sql.find, run=run, spans=spans).rows:
                if row[0] is not None:
                    found.update((Key(run, item), kept) for item, kept in receipts_of(*row))
        return found

    def add(
        self,
        session: Session,
        keys: Sequence[Key],
        outputs: Sequence[bytes | None],
        files: str | None = None,
    ) -> None:
        """Write the receipts of items that are stored in this transaction."""
        for run, kept in kept_by_run(keys, outputs):
            rows = rows_of(run, kept, files)
            files = None
            added = session.execute(self._sql.add, run=run, rows=json.dumps(rows)).affected
            if added != len(rows):
                raise self._refusal(session)

    def _refusal(self, session: Session) -> Exception:
        ((same,),) = session.execute(self._sql.same).rows
        return ReceiptTaken() if same else TransactionEnded()

    def purge_some(self, session: Session, run: str, first: int, last: int) -> int:
        """Delete some rows that nobody will ask for."""
        values = {"first": first, "last": last, "most": PURGED_AT_ONCE - 1}
        return session.execute(self._sql.purge, run=run, **values).affected


Kept = list[tuple[int, bytes | None]]
"""Items of one run, by their ids and in order, with what came of each."""


def kept_by_run(
    keys: Sequence[Key], outputs: Sequence[bytes | None]
) -> Iterator[tuple[str, list[int] | Kept]]:
    """Yield the items of each run; ids alone if nothing came of any."""
    if outputs.count(None) == len(outputs):
        yield from by_run(keys)
        return
    made = dict(zip(keys, outputs, strict=True))
    for run, items in by_run(keys):
        yield run, [(item, made[Key(run, item)]) for item in items]


def by_run(keys: Sequence[Key]) -> list[tuple[str, list[int]]]:
    """Return the ids of each run; always in the same order, so that nobody waits crosswise."""
    runs = sorted({run for run, _ in keys})
    return [(one, sorted([item for run, item in keys if run == one])) for one in runs]


def rows_of(run: str, kept: list[int] | Kept, files: str | None = None) -> list[Row]:
    """Return the rows for items of a run; files go with the first one."""
    base = int(run, 16) << 64
    return [
        (first, last, text, None if n else files, f"[{base + first},{base + last}]")
        for n, (first, last, text) in enumerate(_spans(kept))
    ]


def _spans(kept: list[int] | Kept) -> Iterator[tuple[int, int, str | None]]:
    """Yield the first and the last of neighbours, and what came of each of them as one text."""
    if isinstance(kept[0], int):
        for first, last in ranges_of(kept):
            yield first, last, None
        return
    for group in _neighbours(kept):
        texts = [encoded(outputs) for _, outputs in group]
        yield group[0][0], group[-1][0], json.dumps(texts)


def _neighbours(kept: Kept) -> Iterator[Kept]:
    group: Kept = []
    size = 0
    for one in kept:
        if group and (one[0] != group[-1][0] + 1 or size > OUTPUTS_MAX):
            yield group
            group, size = [], 0
        group.append(one)
        size += len(one[1] or b"")
    yield group


def receipts_of(
    first: int, last: int, outputs: str | None, files: str | None
) -> Iterator[tuple[int, Receipt]]:
    """Yield the items of a row, with what is kept of each; its files are those of the first one."""
    each = repeat(None) if outputs is None else json.loads(outputs)
    for item, text in zip(range(first, last + 1), each, strict=False):
        yield item, Receipt(decoded(text), files if item == first else None)


def encoded(outputs: bytes | None) -> str | None:
    """Return outputs as the text that is stored."""
    return None if outputs is None else base64.b64encode(outputs).decode()


def decoded(text: str | None) -> bytes | None:
    """Return outputs from their text."""
    return None if text is None else base64.b64decode(text)
