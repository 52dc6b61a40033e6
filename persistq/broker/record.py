"""What is going to be recorded with the next commit.

Group commit: whatever all clients sent while the last transaction was on its way to the disk goes
into the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from persistq.journal.batch import Batch

if TYPE_CHECKING:
    from persistq.blocks import Block
    from persistq.journal.queuerow import QueueRow

BULKY_BYTES: Final = 1 << 19
"""From so many bytes of new items on, writing them is what takes time."""


class Record:
    """Collects a batch; whoever changes an item writes into it what is to be recorded of that.

    Crash: nothing of the batch is recorded, and nobody was told of it.

    Attributes:
        batch: What was collected since the last commit. It is another one after each commit.
        untold: Whether there may be puts of which no event tells yet.
    """

    def __init__(self) -> None:
        self.batch = Batch(untold=True)
        self.untold = True
        self._bytes = 0

    def touch(self, row: QueueRow) -> None:
        """The counters of a queue have changed, or its seal."""
        self.batch.queues[row.queue_id] = row

    def note_bytes(self, block: Block) -> None:
        """Count a block that is going to be written."""
        self._bytes += len(block.data)
        self.batch.bulky = self._bytes >= BULKY_BYTES

    def take(self) -> Batch:
        """Return the batch, and begin the next one."""
        batch, self.batch, self._bytes = self.batch, Batch(untold=True), 0
        self.untold = self.untold or bool(batch.puts or batch.published)
        return batch
