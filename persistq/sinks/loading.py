"""Storing a batch once: with receipts, and so that a bad item does not take others with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from persistq import failpoints
from persistq.sinks.batch import Batch
from persistq.sinks.ending import Ending
from persistq.sinks.files import Prepared, finish
from persistq.sinks.receipts import PURGED_AT_ONCE, Key, Receipts
from persistq.sinks.target import Target
from persistq.sinks.work import Attempt


class Loader:
    """Stores batches of items in one target.

    Args:
        target: The database.
        receipts: Its table of receipts.
        sleep: Waits for a number of seconds.
        finish: What becomes of files when their receipts are committed.
    """

    def __init__(
        self,
        target: Target,
        receipts: Receipts,
        sleep: Callable[[float], None] = time.sleep,
        finish: Callable[[list[Prepared]], None] = finish,
    ) -> None:
        self._target = target
        self._receipts = receipts
        self._sleep = sleep
        self._finish = finish
        self._wary = False

    def load(self, keys: Sequence[Key], attempt: Attempt) -> list[Ending]:
        """Store items, each in one transaction with its receipt.

        All of them are tried in one transaction. If it raises because of an item, it is rolled back
        and tried in parts, until the bad items alone are left; the batch behind one in which there
        were some is given to the handler in parts from the beginning. What met with a conflict is
        tried again, and once more on a new connection if the old one was lost: if the commit had
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
        batch = Batch(self._target, self._receipts, keys, attempt, self._sleep, self._finish)
        settle = batch.settle_warily if self._wary else batch.settle
        settle(range(len(keys)))
        self._wary = batch.has_bad_items
        return [batch.endings[position] for position in range(len(keys))]

    def purge(self, run: str, first: int, last: int) -> int:
        """Delete the receipts of items whose done records are on the journal's disk.

        Before that they are needed: a power cut may take away a done record that is committed. The
        row of items that were stored together is deleted when all of them are named.

        Crash: those that are left do no harm but take room; the same call again deletes them.

        Args:
            run: UUID of the run that put the items.
            first: Id of the first one.
            last: Id of the last one.

        Returns:
            How many rows there were.
        """
        failpoints.point("sink.before_purge")
        purged = 0
        while True:
            with self._target.transaction() as session:
                count = self._receipts.purge_some(session, run, first, last)
            purged += count
            if count < PURGED_AT_ONCE:
                return purged

    def close(self) -> None:
        """Give up the connection."""
        self._target.close()


__all__ = ["Attempt", "Loader"]
