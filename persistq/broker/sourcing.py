"""How far the sources of a load have come, as it is recorded: cursors and ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from persistq.journal.sourcerow import Cursor

if TYPE_CHECKING:
    from persistq.blocks import Block
    from persistq.broker.intake import Intake
    from persistq.broker.record import Record
    from persistq.broker.seals import Seals
    from persistq.broker.sources import Sources
    from persistq.journal.queuerow import QueueRow


class Sourcing:
    """Notes what sources say of themselves; what they put goes to the intake.

    Args:
        rows: The queues by number.
        sources: The sources of the load.
        intake: What comes.
        seals: What is set with the end of the last source.
        record: What is recorded.
    """

    def __init__(
        self,
        rows: Mapping[int, QueueRow],
        sources: Sources,
        intake: Intake,
        seals: Seals,
        record: Record,
    ) -> None:
        self._rows = rows
        self._sources = sources
        self._intake = intake
        self._seals = seals
        self._record = record

    def move_cursor(self, source_id: int, value: Block) -> None:
        """Remember how far a source has come with all that is put on its queue by now.

        Crash: what was put since the last commit is recorded with this, or neither is.

        Args:
            source_id: The source.
            value: Its own value, as a block of one.
        """
        row = self._row_of(source_id)
        cursor = Cursor(row.put, value, row.duplicates, row.skipped)
        self._sources.cursors[source_id] = self._record.batch.cursors[source_id] = cursor
        self._record.batch.synced = True
        self._record.touch(row)

    def expect_again(self, queue_id: int) -> None:
        """Those who put on a queue with natural keys put again what lies behind their cursors.

        With several sources nobody knows which of what was left out was whose, so as much is
        expected as may come, and what they repeat of each other is not counted.
        """
        sources = self._sources.of_queue(queue_id)
        cursor = self._sources.cursors.get(sources[0].source_id) if len(sources) == 1 else None
        come = (0, 0, 0) if cursor is None else (cursor.put, cursor.duplicates, cursor.skipped)
        self._intake.unique[queue_id].expect_again(*come)

    def end(self, source_id: int) -> None:
        """A source has come to its end; a queue that gets nothing else is sealed with its last one.

        Crash: a source whose end is not recorded is called again.
        """
        self._sources.rows[source_id].ended = True
        self._record.batch.ended_sources.append(source_id)
        self._record.batch.synced = True
        row = self._row_of(source_id)
        self._record.touch(row)
        self._seals.seal_if_over(row.queue_id)

    def _row_of(self, source_id: int) -> QueueRow:
        return self._rows[self._sources.rows[source_id].queue_id]
