"""What is done with a batch within one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from persistq.errors import TransactionEnded, UsageError
from persistq.flow import Failed
from persistq.sinks import files
from persistq.sinks.ending import Ending, Stored
from persistq.sinks.faults import Fault, fault_of
from persistq.sinks.guessing import refused_row
from persistq.sinks.parts import Blamed, Suspicion, divided
from persistq.sinks.receipts import Key, Receipts
from persistq.sinks.savepoints import SavepointLost
from persistq.sinks.target import Session

Attempt = Callable[[Any, Sequence[int]], Sequence[bytes | None]]
"""Runs the handler: gets the connection, and the positions in the batch of the items to store;
returns what came of each, encoded, or None if nothing did.

It may raise `persistq.flow.Failed`, with positions in the sequence that it was given.
"""


class Work:
    """One transaction in which items of a batch are stored.

    Args:
        session: The transaction.
        receipts: Its table of receipts.
        keys: The items of the batch.
        attempt: Runs the handler on some of them.
        suspicion: What is known of bad items; it is noted here.

    Attributes:
        endings: How it has ended for items, if the transaction is committed.
        written: The files that handlers have written.
        left: Files of items that were stored before, which may not be finished.
    """

    def __init__(
        self,
        session: Session,
        receipts: Receipts,
        keys: Sequence[Key],
        attempt: Attempt,
        suspicion: Suspicion,
    ) -> None:
        self._session = session
        self._receipts = receipts
        self._keys = keys
        self._attempt = attempt
        self._suspicion = suspicion
        self._outputs: dict[int, bytes | None] = {}
        self.endings: dict[int, Ending] = {}
        self.written: list[files.Prepared] = []
        self.left: list[files.Prepared] = []

    def look(self, positions: Sequence[int]) -> Sequence[int]:
        """Note which items are stored already, and return the others."""
        keys = self._keys
        found = self._receipts.find(self._session, self._keys_at(positions))
        if not found:
            return positions
        for position in positions:
            if (receipt := found.get(keys[position])) is not None:
                self.endings[position] = Stored(receipt.outputs, before=True)
                self.left += files.from_text(receipt.files)
        return [position for position in positions if position not in self.endings]

    def store(self, positions: Sequence[int]) -> None:
        """Run the handler on items that are not stored."""
        first = self._keys[positions[0]]
        with files.collecting(f"{first.run}-{first.item}") as written:
            outputs = self._attempted(positions)
        self._suspicion.acquit(positions)
        self._outputs.update(zip(positions, outputs, strict=True))
        self.written += written.prepared

    def store_parts(self, parts: Sequence[Sequence[int]]) -> None:
        """Run the handler on parts, each behind a savepoint; those that raise are divided again."""
        for part in parts:
            self._store_part(part)

    def write_receipts(self) -> None:
        """Write the receipts of what the handler has stored: last, so that none is there alone."""
        places = [*self._outputs]
        if places:
            kept = [*self._outputs.values()]
            keys = self._keys_at(places)
            # With one of them is enough: it is not done before the files are.
            self._receipts.add(self._session, keys, kept, files.as_text(self.written))
            self.endings |= zip(places, _stored(kept), strict=True)

    def _keys_at(self, positions: Sequence[int]) -> Sequence[Key]:
        if len(positions) == len(self._keys) and not isinstance(positions, list):
            return self._keys
        return [self._keys[position] for position in positions]

    def _store_part(self, positions: Sequence[int]) -> None:
        try:
            with self._session.savepoint():
                self.store(positions)
        except (KeyboardInterrupt, SavepointLost, TransactionEnded):
            raise
        except BaseException as error:
            if fault_of(error) in {Fault.AWAY, Fault.CONFLICT}:
                raise
            self.store_parts(divided(positions, error, self._suspicion, self.endings))

    def _attempted(self, positions: Sequence[int]) -> Sequence[bytes | None]:
        before = self._session.rows_written()
        try:
            return self._attempt(self._session.connection, positions)
        except Failed as failed:
            raise _blamed(failed, positions) from failed
        except Exception as error:
            after = self._session.rows_written()
            rows = None if before is None or after is None else after - before
            self._suspicion.item = refused_row(error, rows)
            raise


def _blamed(failed: Failed, positions: Sequence[int]) -> Exception:
    if max(failed.errors) >= len(positions):
        return UsageError(
            f"Failed() names index {max(failed.errors)} of a batch of {len(positions)}"
        )
    return Blamed({positions[index]: error for index, error in failed.errors.items()})


def _stored(outputs: Sequence[bytes | None]) -> list[Stored]:
    """Return the endings of items that are stored now; as a rule nothing came of any of them."""
    if outputs.count(None) == len(outputs):
        return [Stored(None)] * len(outputs)
    return [*map(Stored, outputs)]
