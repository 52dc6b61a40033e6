"""The parked items of a load, and what is done to them by hand: retried, dropped, or replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from persistq.blocks import Block, block_of
from persistq.groups import marked, marks_of
from persistq.items import IdRange, is_within, item_id_of, merged, queue_of, ranges_of
from persistq.journal.batch import ByHand, Deed

if TYPE_CHECKING:
    from persistq.broker.intake import Intake
    from persistq.broker.passing import Passing
    from persistq.broker.record import Record
    from persistq.broker.scheduler import Scheduler
    from persistq.broker.seals import Seals
    from persistq.broker.sources import Sources
    from persistq.journal.base import Journal
    from persistq.journal.queuerow import QueueRow


class Parked:
    """Changes parked items; which these are only the journal knows.

    Crash: of one order all is recorded, or nothing.

    Args:
        journal: Where they are found.
        rows: The queues by number.
        scheduler: Where they are put back to work.
        sources: The sources of the load.
        intake: Where replacements are put.
        seals: What is lifted for those that go back to work.
        passing: Where those go on to that are dropped.
        record: What is recorded.
        commit: Records all that was changed before.
    """

    def __init__(
        self,
        journal: Journal,
        rows: Mapping[int, QueueRow],
        scheduler: Scheduler,
        sources: Sources,
        intake: Intake,
        seals: Seals,
        passing: Passing,
        record: Record,
        commit: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._rows = rows
        self._scheduler = scheduler
        self._sources = sources
        self._intake = intake
        self._seals = seals
        self._passing = passing
        self._record = record
        self._commit = commit

    def of(self, ranges: Iterable[IdRange]) -> dict[int, list[int]]:
        """Return which items with these ids are parked, by queue."""
        # What this turn has parked is recorded first, so that the journal knows all of it.
        self._commit()
        ordered = merged(ranges)
        found: dict[int, list[int]] = {}
        for queue_id in dict.fromkeys(queue_of(ids.first) for ids in ordered):
            parked = self._journal.parked_ids(queue_id)
            found[queue_id] = [item_id for item_id in parked if is_within(ordered, item_id)]
        return found

    def unpark(self, queue_id: int, item_ids: Iterable[int] | None = None) -> int:
        """Put parked items back to work: failures forgiven, their load reopened if it had ended.

        What is retried may have outputs, so the seals of all stages behind this one are lifted.

        Args:
            queue_id: The queue.
            item_ids: The items, those that are not parked left out; None for all that are.

        Returns:
            How many there were.
        """
        self._commit()
        parked = self._journal.parked_ids(queue_id)
        if item_ids is not None:
            wanted = set(item_ids)
            parked = [item_id for item_id in parked if item_id in wanted]
        self.put_back(queue_id, parked)
        return len(parked)

    def put_back(self, queue_id: int, item_ids: Sequence[int]) -> None:
        """Put parked items, as `of` returns them, back to work; see `unpark`."""
        if not item_ids:
            return
        row = self._rows[queue_id]
        row.parked -= len(item_ids)
        self._scheduler.unpark(queue_id, item_ids)
        self._record.batch.unparked += item_ids
        self._record.batch.by_hand += [ByHand(item_id, Deed.RETRIED) for item_id in item_ids]
        self._seals.open_again(row)

    def discard(self, queue_id: int, item_ids: Sequence[int], reason: str) -> None:
        """Drop parked items by hand: nobody works on them any more.

        Args:
            queue_id: Their queue.
            item_ids: The items, as `of` returns them.
            reason: Why; may be empty.
        """
        self._drop(self._rows[queue_id], item_ids, reason)
        self._record.batch.by_hand += [ByHand(item_id, Deed.DROPPED) for item_id in item_ids]
        self._passing.set_aside(queue_id, item_ids, reason)

    def replace(self, item_id: int, block: Block, reason: str) -> int:
        """Put an item by hand for a parked one, which is dropped; return its id.

        Both are in one transaction. The stage stays sealed if it was: nothing else comes. It has
        the natural key of the other one, and its place in the order of the stage.

        Args:
            item_id: The item, which `of` has returned.
            block: What is put for it, one item.
            reason: Why; may be empty.
        """
        row = self._rows[queue_of(item_id)]
        block = self._like(item_id, block, keyed=row.keyed)
        sealed = row.sealed_total is not None
        self._drop(row, [item_id], reason)
        replacement = item_id_of(row.queue_id, row.next_n)
        self._intake.add(row, [block], source=self._sources.latest(row.queue_id))
        self._record.batch.by_hand.append(ByHand(item_id, Deed.EDITED, replacement))
        self._seals.open_again(row)
        if sealed:
            self._seals.seal_again(row)
        return replacement

    # --- inside ---

    def _drop(self, row: QueueRow, item_ids: Sequence[int], reason: str) -> None:
        self._leave(row, len(item_ids))
        row.dropped += len(item_ids)
        batch = self._record.batch
        batch.discarded += item_ids
        batch.dropped += ranges_of(item_ids)
        if reason:
            batch.reasons |= dict.fromkeys(item_ids, reason)
        batch.synced = True
        self._record.touch(row)

    def _leave(self, row: QueueRow, count: int) -> None:
        row.parked -= count
        lane = self._scheduler.lanes[row.queue_id]
        lane.parked_before = min(lane.parked_before, row.parked)
        # It is no work of this run.
        lane.resumed += count

    def _like(self, item_id: int, block: Block, *, keyed: bool) -> Block:
        """Return what is put for an item with its group, its place in the order, and its key."""
        block = self._in_group_of(item_id, block)
        block = block._replace(rank=self._rank_of(item_id))
        return block._replace(digests=self._journal.digest(item_id)) if keyed else block

    def _in_group_of(self, item_id: int, block: Block) -> Block:
        """Return what is put for an item as a member of its group, if it is one."""
        page = self._journal.put_page(item_id - 1, item_id, 1, 1)
        try:
            marks = [mark for part in page for mark in marks_of(part)]
        except ValueError:
            marks = []
        mark = next(iter(marks), None)
        if mark is None:
            return block
        codec, payload = marked(mark, block.codec, block.data)
        return block_of(codec, [payload])

    def _rank_of(self, item_id: int) -> int | None:
        [*page] = self._journal.put_page(item_id - 1, item_id, 1, 1)
        return page[0].block.rank if page else None
