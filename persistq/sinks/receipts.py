"""Receipts: what says, within the target itself, that an item is stored there.

A receipt is a row of the table `persistq_receipt`, written in the same transaction as what the item
has led to. So one is there exactly if the other is, whatever died in between, and also if the
answer to a commit was lost: who asks later finds out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Final, NamedTuple, Protocol

from persistq.errors import TransactionEnded
from persistq.sinks.faults import Fault
from persistq.sinks.statements import Statements
from persistq.sinks.target import Session

PURGED_AT_ONCE: Final = 10_000
"""How many receipts are deleted in one transaction, about."""


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

    def find(self, session: Session, keys: Iterable[Key]) -> dict[Key, Receipt]:
        """Return those of the items that are stored."""

    def add(self, session: Session, receipts: Mapping[Key, Receipt]) -> None:
        """Write the receipts of items that are stored in this transaction.

        Crash: as what else is in the transaction: all of it is committed, or nothing.

        Args:
            session: The transaction.
            receipts: What is kept of each, for whoever asks for it again.

        Raises:
            ReceiptTaken: One of them was written meanwhile, by another transaction.
            TransactionEnded: This is another transaction than the one they were looked for in.
        """

    def purge(self, session: Session, run: str, first: int, last: int) -> int:
        """Delete receipts that nobody will ask for: the done records of these items are on disk.

        Returns:
            How many there were.
        """

    def purge_some(self, session: Session, run: str) -> int:
        """Delete at most `PURGED_AT_ONCE` receipts of a run whose load is settled.

        Returns:
            How many there were; 0 if none is left.
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

    def find(self, session: Session, keys: Iterable[Key]) -> dict[Key, Receipt]:
        """Return those of the items that are stored."""
        found = {}
        for run, items in by_run(keys):
            text = json.dumps(items)
            for item, outputs, files in session.execute(self._sql.find, run=run, items=text).rows:
                if item is not None:
                    found[Key(run, item)] = Receipt(decoded(outputs), files)
        return found

    def add(self, session: Session, receipts: Mapping[Key, Receipt]) -> None:
        """Write the receipts of items that are stored in this transaction."""
        for run, items in by_run(receipts):
            rows = [(item, *as_texts(receipts[Key(run, item)])) for item in items]
            added = session.execute(self._sql.add, run=run, rows=json.dumps(rows)).affected
            if added != len(rows):
                raise self._refusal(session)

    def _refusal(self, session: Session) -> Exception:
        ((same,),) = session.execute(self._sql.same).rows
        return ReceiptTaken() if same else TransactionEnded()

    def purge(self, session: Session, run: str, first: int, last: int) -> int:
        """Delete receipts that nobody will ask for."""
        return session.execute(self._sql.purge, run=run, first=first, last=last).affected

    def purge_some(self, session: Session, run: str) -> int:
        """Delete some receipts of a run whose load is settled."""
        return session.execute(self._sql.purge_run, run=run, most=PURGED_AT_ONCE - 1).affected


def by_run(keys: Iterable[Key]) -> list[tuple[str, list[int]]]:
    """Return the ids of each run; always in the same order, so that nobody waits crosswise."""
    groups = groupby(sorted(keys), key=lambda key: key.run)
    return [(run, [key.item for key in group]) for run, group in groups]


def as_texts(receipt: Receipt) -> tuple[str | None, str | None]:
    """Return outputs and files as the texts that are stored."""
    outputs, files = receipt
    return None if outputs is None else base64.b64encode(outputs).decode(), files


def decoded(text: str | None) -> bytes | None:
    """Return outputs from their text."""
    return None if text is None else base64.b64decode(text)
