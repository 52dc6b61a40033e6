"""What is recorded of an item while it is worked on: outputs before its end, and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from persistq.blocks import Block, Origin
from persistq.items import IdRange, item_id_of
from persistq.journal.batch import Streamed

if TYPE_CHECKING:
    from persistq.broker.intake import Intake
    from persistq.broker.record import Record
    from persistq.broker.scheduler import Scheduler
    from persistq.broker.spools import Spools
    from persistq.journal.queuerow import QueueRow


class Interim:
    """Records what comes of attempts that go on; it changes no place, and counts only what is put.

    Args:
        rows: The queues by number.
        scheduler: Who holds what.
        spools: What is kept until its item is done.
        intake: Where streamed items go.
        record: What is recorded.
    """

    def __init__(
        self,
        rows: Mapping[int, QueueRow],
        scheduler: Scheduler,
        spools: Spools,
        intake: Intake,
        record: Record,
    ) -> None:
        self._rows = rows
        self._scheduler = scheduler
        self._spools = spools
        self._intake = intake
        self._record = record

    def spool(
        self, consumer_id: int, item_id: int, blocks: Sequence[Block], queue_id: int = 0
    ) -> bool:
        """Some of what is made of an item is recorded while it is worked on, and is no items yet.

        All that is spooled at one attempt becomes items if the item is finished, of each queue that
        its stage feeds. If the attempt ends in any other way, it is void.

        Crash: what was spooled is void, because nobody can finish that attempt.

        Args:
            consumer_id: Who works on it.
            item_id: The item.
            blocks: What was made, in order; at least one.
            queue_id: The queue that gets it; 0 for each one that the stage feeds.

        Returns:
            False if the consumer does not hold it: then nothing has changed.
        """
        if not self._scheduler.is_held(consumer_id, item_id):
            return False
        for record in self._spools.add(consumer_id, item_id, blocks, queue_id):
            self._record.batch.spooled.append(record)
            self._record.note_bytes(record.block)
        return True

    def stream(self, item_id: int, queue_id: int, blocks: Sequence[Block]) -> None:
        """Put what is made of an item at work, and remember it until the item has ended.

        Crash: both are recorded, or neither.

        Args:
            item_id: The item.
            queue_id: A queue that its stage feeds.
            blocks: What was made, but for what an earlier attempt has put.
        """
        row = self._rows[queue_id]
        before = item_id_of(queue_id, row.put)
        origins = [Origin(item_id)] * len(blocks)
        if self._intake.put(queue_id, blocks, synced=False, origins=origins):
            ids = IdRange(before + 1, item_id_of(queue_id, row.put))
            self._record.batch.streamed.append(Streamed(item_id, ids))

    def checkpoint(self, consumer_id: int, item_id: int, value: Block) -> bool:
        """Remember how far an attempt at an item has come, until the item is done or dropped.

        Crash: the next attempt learns of this checkpoint, or of the one before.

        Args:
            consumer_id: Who works on it.
            item_id: The item.
            value: The handler's own value, as a block of one.

        Returns:
            False if the consumer does not hold it: then nothing has changed.
        """
        if not self._scheduler.is_held(consumer_id, item_id):
            return False
        self._record.batch.checkpoints[item_id] = value
        self._record.batch.synced = True
        return True
