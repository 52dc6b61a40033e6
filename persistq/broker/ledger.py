"""The batch being built: gives ids to new items and commits what the turn brought.

Group commit: whatever all clients sent while the last transaction was on its way to the disk goes
into the next one.
"""

from __future__ import annotations

from persistq import failpoints
from persistq.items import ITEMS_PER_QUEUE_MAX, Failure, Item, item_id_of, items_from
from persistq.journal.base import Batch, Journal, QueueRow

BULKY_BYTES = 1 << 19
"""From so many bytes of new items on, writing them is what takes time."""


class Ledger:
    """Collects records and commits them together.

    Args:
        journal: Where they go.

    Attributes:
        unsynced: Whether a power cut would undo commits.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._batch = Batch()
        self._bytes = 0
        self._arrivals: dict[int, list[Item]] = {}
        self.unsynced = False

    def put(self, row: QueueRow, codecs: bytes, payloads: list[bytes], *, synced: bool) -> None:
        """Add new items to a queue.

        Args:
            row: The queue; its counter moves on.
            codecs: One codec number an item.
            payloads: The encoded items.
            synced: Whether somebody was promised that they survive a power cut.
        """
        count = len(payloads)
        assert row.next_n + count <= ITEMS_PER_QUEUE_MAX, "a queue is full"
        first = item_id_of(row.queue_id, row.next_n)
        items = list(items_from(zip(range(first, first + count), codecs, payloads, strict=True)))
        row.next_n += count
        self._batch.puts += items
        self._bytes += sum(map(len, payloads))
        self._batch.bulky = self._bytes >= BULKY_BYTES
        self._arrivals.setdefault(row.queue_id, []).extend(items)
        self._batch.synced |= synced
        self.touch(row)

    def done(self, row: QueueRow, item_ids: list[int]) -> None:
        """Record finished items."""
        self._batch.done += item_ids
        self.touch(row)

    def dropped(self, row: QueueRow, item_id: int) -> None:
        """Record an item that needs no work."""
        self._batch.dropped.append(item_id)
        self.touch(row)

    def failed(self, failure: Failure) -> None:
        """Record a failed attempt."""
        self._batch.failures.append(failure)
        self._batch.synced = True

    def parked(self, row: QueueRow, item_id: int) -> None:
        """Record that an item failed for good."""
        self._batch.parked.append(item_id)
        self._batch.synced = True
        self.touch(row)

    def seal(self, row: QueueRow) -> None:
        """Record that nothing more will be put on a queue."""
        row.sealed_total = row.put
        self._batch.synced = True
        self.touch(row)

    def unseal(self, row: QueueRow) -> None:
        """Record that a queue of a carried-on load gets new items after all."""
        row.sealed_total = None
        self.touch(row)

    def settle(self, load_id: int) -> None:
        """Record that a load is settled."""
        self._batch.settled_load = load_id
        self._batch.synced = True

    def touch(self, row: QueueRow) -> None:
        """Have a queue's counters written with the batch."""
        self._batch.queues[row.queue_id] = row

    def sync(self) -> None:
        """Have the batch, and all before it, on disk when `commit` returns."""
        self._batch.synced = True

    def commit(self) -> list[list[Item]]:
        """Commit the batch.

        Crash: before, nothing of it is recorded and nobody was told otherwise; after, all of it.

        Returns:
            The new items of each queue; only now may they be handed out.

        Raises:
            JournalError: It could not be written. The broker must end: its memory is now ahead.
        """
        batch, arrivals = self._batch, list(self._arrivals.values())
        self._batch, self._bytes, self._arrivals = Batch(), 0, {}
        self.unsynced = not batch.synced and (self.unsynced or bool(batch))
        if batch:
            failpoints.point("broker.before_commit")
            self._journal.commit(batch)
            failpoints.point("broker.after_commit")
        elif batch.synced:
            self._journal.flush()
        return arrivals
