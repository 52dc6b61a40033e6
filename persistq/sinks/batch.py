"""A batch on its way into a target, in as many transactions as it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from persistq import failpoints
from persistq.errors import TransactionEnded
from persistq.sinks import files
from persistq.sinks.ending import Ending, NotStored
from persistq.sinks.faults import Fault, fault_of
from persistq.sinks.parts import Suspicion, beforehand, divided
from persistq.sinks.receipts import Key, Receipts
from persistq.sinks.target import Target
from persistq.sinks.work import Attempt, Work

CONFLICT_WAITS_S: Final = (0.01, 0.03, 0.1, 0.3)
"""Waits before what met with a conflict is tried again at once; then it is the caller's turn."""


class Batch:
    """One batch on its way.

    Args:
        target: The database.
        receipts: Its table of receipts.
        keys: The items.
        attempt: Runs the handler on some of them.
        sleep: Waits for a number of seconds.
        finish: What becomes of files when their receipts are committed.

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
        finish: Callable[[list[files.Prepared]], None],
    ) -> None:
        self._target = target
        self._receipts = receipts
        self._keys = keys
        self._attempt = attempt
        self._sleep = sleep
        self._finish = finish
        self._away: BaseException | None = None
        self._suspicion = Suspicion()
        self.endings: dict[int, Ending] = {}

    def settle_warily(self, positions: Sequence[int]) -> None:
        """Bring items to an end as if all of them together had raised already."""
        parts = beforehand(positions)
        if not (self._target.has_savepoints and self._settled_by_savepoints(parts)):
            self.settle(positions)

    def settle(self, positions: Sequence[int]) -> None:
        """Bring items to an end: in one transaction, or in parts if that raises."""
        if self._away is not None:
            self._end(positions, Fault.AWAY, self._away)
            return
        self._suspicion.item = None
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
        parts = divided(positions, error, self._suspicion, self.endings)
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
        def step(work: Work) -> None:
            if rest := work.look(positions):
                work.store(rest)

        return self._committed(step)

    def _in_parts(self, parts: list[Sequence[int]]) -> dict[int, Ending]:
        def step(work: Work) -> None:
            rest = {*work.look([position for part in parts for position in part])}
            left = ([position for position in part if position in rest] for part in parts)
            work.store_parts([part for part in left if part])

        return self._committed(step)

    def _committed(self, step: Callable[[Work], None]) -> dict[int, Ending]:
        """Do a step in a transaction, and then what is to be done with files."""
        work = None
        try:
            with self._target.transaction() as session:
                work = Work(session, self._receipts, self._keys, self._attempt, self._suspicion)
                step(work)
                work.write_receipts()
                files.sync_directories(work.written)
                failpoints.point("sink.before_commit")
        except BaseException as error:
            # If only the answer to the commit is lost, they may be needed.
            if work is not None and fault_of(error) is not Fault.AWAY:
                files.discard(work.written)
            raise
        failpoints.point("sink.after_commit")
        self._finish(work.left + work.written)
        return work.endings

    @property
    def has_bad_items(self) -> bool:
        """Whether the database has refused some."""
        ends = self.endings.values()
        return any(isinstance(one, NotStored) and one.fault is Fault.DATA for one in ends)

    def _end(self, positions: Sequence[int], fault: Fault, error: BaseException) -> None:
        self.endings |= dict.fromkeys(positions, NotStored(fault, error))
