"""Storing a batch once: with receipts, and so that a bad item does not take others with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from persistq import failpoints
from persistq.errors import TransactionEnded, UsageError
from persistq.flow import Failed
from persistq.sinks import files
from persistq.sinks.faults import Fault, fault_of
from persistq.sinks.receipts import PURGED_AT_ONCE, Key, Receipt, Receipts
from persistq.sinks.savepoints import SavepointLost
from persistq.sinks.target import Session, Target

PARTS: Final = 4
"""Into how many parts a batch is taken that raised. Two take as many attempts to find one bad item,
and do more over again: what a failed attempt had stored before it failed."""

CONFLICT_WAITS_S: Final = (0.01, 0.03, 0.1, 0.3)
"""Waits before what met with a conflict is tried again at once; then it is the caller's turn."""

Attempt = Callable[[Any, Sequence[int]], Sequence[bytes | None]]
"""Runs the handler: gets the connection, and the positions in the batch of the items to store;
returns what came of each, encoded, or None if nothing did.

It may raise `persistq.flow.Failed`, with positions in the sequence that it was given.
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """An item is in the target, with its receipt; both are committed.

    Attributes:
        outputs: What came of it.
        before: Whether an earlier attempt has stored it, and the handler was not run.
    """

    outputs: bytes | None
    before: bool = False


@dataclass(frozen=True, slots=True)
class NotStored:
    """Nothing of an item is in the target, as far as its transaction goes.

    Attributes:
        fault: What is at fault.
        error: What was raised; the database's own error, as its driver has made it.
    """

    fault: Fault
    error: BaseException


Ending = Stored | NotStored


class Loader:
    """Stores batches of items in one target.

    Args:
        target: The database.
        receipts: Its table of receipts.
        sleep: Waits for a number of seconds.
    """

    def __init__(
        self, target: Target, receipts: Receipts, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._target = target
        self._receipts = receipts
        self._sleep = sleep

    def load(self, keys: Sequence[str], attempt: Attempt) -> list[Ending]:
        """Store items, each in one transaction with its receipt.

        All of them are tried in one transaction. If it raises because of an item, it is rolled back
        and tried in parts, until the bad items alone are left. What met with a conflict is tried
        again, and once more on a new connection if the old one was lost: if the commit had
        succeeded and only its answer was lost, the receipts are found then.

        Crash: before the commit, nothing is stored, and the items are as if never tried. After it,
        all is stored, and who gets the items again finds their receipts. During it, one of both.

        Args:
            keys: The items' keys.
            attempt: Runs the handler on some of them.

        Returns:
            How it ended for each; `NotStored` with `Fault.AWAY` for those that were not tried to
            the end because the target was away.
        """
        batch = _Batch(self._target, self._receipts, [*map(Key.of, keys)], attempt, self._sleep)
        batch.settle(range(len(keys)))
        return [batch.endings[position] for position in range(len(keys))]

    def purge(self, run: str, first: int, last: int) -> int:
        """Delete the receipts of items whose done records are on the journal's disk.

        Before that they are needed: a power cut may take away a done record that is committed.

        Crash: those that are left are deleted with all others of their run.

        Args:
            run: UUID of the run that put the items.
            first: Id of the first one.
            last: Id of the last one.

        Returns:
            How many there were.
        """
        failpoints.point("sink.before_purge")
        with self._target.transaction() as session:
            return self._receipts.purge(session, run, first, last)

    def purge_runs(self, runs: Iterable[str]) -> int:
        """Delete all receipts of runs whose load is settled, and that on the journal's disk.

        Crash: what is left does no harm but takes room; the same call again deletes it.

        Args:
            runs: UUIDs of the load's runs.

        Returns:
            How many there were.
        """
        return sum(map(self._purge_run, runs))

    def _purge_run(self, run: str) -> int:
        purged = 0
        while True:
            with self._target.transaction() as session:
                count = self._receipts.purge_some(session, run)
            purged += count
            if count < PURGED_AT_ONCE:
                return purged

    def close(self) -> None:
        """Give up the connection."""
        self._target.close()


class _Blamed(Exception):
    """A handler has said which items of an attempt failed.

    Attributes:
        errors: For each, by position in the batch.
    """

    def __init__(self, errors: Mapping[int, BaseException]) -> None:
        super().__init__(errors)
        self.errors = errors


class _Batch:
    """One batch on its way.

    Attributes:
        endings: How it ended, by position; all that is stored in here is committed.
    """

    def __init__(
        self,
        target: Target,
        receipts: Receipts,
        keys: Sequence[Key],
        attempt: Attempt,
        sleep: Callable[[float], None],
    ) -> None:
        self._target = target
        self._receipts = receipts
        self._keys = keys
        self._attempt = attempt
        self._sleep = sleep
        self._away: BaseException | None = None
        self._written: list[files.Prepared] = []
        self._left: list[files.Prepared] = []
        self.endings: dict[int, Ending] = {}

    def settle(self, positions: Sequence[int]) -> None:
        """Bring items to an end: in one transaction, or in parts if that raises."""
        if self._away is not None:
            self._end(positions, Fault.AWAY, self._away)
            return
        try:
            self.endings |= self._repeated(lambda: self._together(positions))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit too is an item's failure here
            self._settle_failed(positions, error)

    def _settle_failed(self, positions: Sequence[int], error: BaseException) -> None:
        fault = fault_of(error)
        if fault is Fault.AWAY:
            self._away = error
        if fault in {Fault.AWAY, Fault.CONFLICT} or isinstance(error, TransactionEnded):
            # Whoever commits by himself would have done so again in each part.
            self._end(positions, fault, error)
            return
        parts = _divided(positions, error, self.endings)
        if not (parts and self._target.has_savepoints and self._settled_by_savepoints(parts)):
            for part in parts:
                self.settle(part)

    def _settled_by_savepoints(self, parts: list[Sequence[int]]) -> bool:
        """Bring parts to an end in one transaction; return whether that has succeeded.

        It does not if what is wrong shows only when it is committed.
        """
        try:
            self.endings |= self._repeated(lambda: self._in_parts(parts))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - each part is tried by itself, and tells
            if fault_of(error) is Fault.AWAY:
                self._away = error
            return False
        return True

    def _repeated(self, step: Callable[[], dict[int, Ending]]) -> dict[int, Ending]:
        """Do a step again where that may help."""
        waits = iter(CONFLICT_WAITS_S)
        connections = iter((True,))
        while True:
            try:
                return step()
            except BaseException as error:
                fault = fault_of(error)
                if fault is Fault.AWAY and next(connections, False):
                    self._target.reconnect()
                elif fault is Fault.CONFLICT and (wait := next(waits, None)) is not None:
                    self._sleep(wait)
                else:
                    raise

    def _together(self, positions: Sequence[int]) -> dict[int, Ending]:
        return self._committed(lambda session: self._within(session, positions))

    def _in_parts(self, parts: list[Sequence[int]]) -> dict[int, Ending]:
        endings: dict[int, Ending] = {}

        def step(session: Session) -> dict[int, Ending]:
            for part in parts:
                self._part(session, part, endings)
            return endings

        return self._committed(step)

    def _committed(self, step: Callable[[Session], dict[int, Ending]]) -> dict[int, Ending]:
        """Do a step in a transaction, and then what is to be done with files."""
        self._written, self._left = [], []
        try:
            with self._target.transaction() as session:
                endings = step(session)
                files.sync_directories(self._written)
                failpoints.point("sink.before_commit")
        except BaseException as error:
            # If only the answer to the commit is lost, they may be needed.
            if fault_of(error) is not Fault.AWAY:
                files.discard(self._written)
            raise
        failpoints.point("sink.after_commit")
        files.finish(self._left + self._written)
        return endings

    def _part(self, session: Session, positions: Sequence[int], endings: dict[int, Ending]) -> None:
        before = len(self._written)
        try:
            with session.savepoint():
                found = self._within(session, positions)
        except (KeyboardInterrupt, SavepointLost, TransactionEnded):
            raise
        except BaseException as error:
            if fault_of(error) in {Fault.AWAY, Fault.CONFLICT}:
                raise
            files.discard(self._written[before:])
            del self._written[before:]
            for part in _divided(positions, error, endings):
                self._part(session, part, endings)
        else:
            endings |= found

    def _within(self, session: Session, positions: Sequence[int]) -> dict[int, Ending]:
        """Store items within a transaction, except those that are stored."""
        keys = self._keys
        found = self._receipts.find(session, [keys[position] for position in positions])
        rest = [position for position in positions if keys[position] not in found]
        endings: dict[int, Ending] = {
            position: Stored(found[keys[position]].outputs, before=True)
            for position in positions
            if keys[position] in found
        }
        for receipt in found.values():
            self._left += files.from_text(receipt.files)
        if rest:
            endings |= self._stored(session, rest)
        return endings

    def _stored(self, session: Session, positions: list[int]) -> dict[int, Ending]:
        """Run the handler on items that are not stored, and write their receipts."""
        first = self._keys[positions[0]]
        with files.collecting(f"{first.run}-{first.item}") as written:
            outputs = self._attempted(session, positions)
            kept = dict(zip(positions, map(Receipt, outputs), strict=True))
            # One of them is enough: it is not done before its files are.
            kept[positions[0]] = Receipt(outputs[0], files.as_text(written.prepared))
            self._receipts.add(session, {self._keys[place]: kept[place] for place in positions})
        self._written += written.prepared
        return {position: Stored(kept[position].outputs) for position in positions}

    def _attempted(self, session: Session, positions: list[int]) -> Sequence[bytes | None]:
        try:
            return self._attempt(session.connection, positions)
        except Failed as failed:
            if max(failed.errors) >= len(positions):
                raise UsageError(
                    f"Failed() names index {max(failed.errors)} of a batch of {len(positions)}"
                ) from failed
            errors = {positions[index]: error for index, error in failed.errors.items()}
            raise _Blamed(errors) from failed

    def _end(self, positions: Sequence[int], fault: Fault, error: BaseException) -> None:
        self.endings |= dict.fromkeys(positions, NotStored(fault, error))


def _divided(
    positions: Sequence[int], error: BaseException, endings: dict[int, Ending]
) -> list[Sequence[int]]:
    """Return the parts to try after an error; what is to blame by itself gets its ending."""
    if isinstance(error, _Blamed):
        endings |= {
            position: NotStored(fault_of(each), each) for position, each in error.errors.items()
        }
        rest = [position for position in positions if position not in error.errors]
        return [rest] if rest else []
    if len(positions) == 1:
        endings[positions[0]] = NotStored(fault_of(error), error)
        return []
    return [*_parts(positions)]


def _parts(positions: Sequence[int]) -> Iterator[Sequence[int]]:
    size = -(-len(positions) // PARTS)
    for start in range(0, len(positions), size):
        yield positions[start : start + size]
