"""How a journal gives up what purged loads have kept: in small steps, beside the work.

A load is marked as purged before anything of it is deleted, so whoever looks at one of which parts
are missing knows why, and a process that dies half-way leaves it to the next. Of each queue blocks
go before the ranges that say how their items ended: the other way round these would be outstanding.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from persistq import failpoints
from persistq.blocks import Origin, block_of, digest_at
from persistq.errors import JournalCorrupt
from persistq.items import ITEMS_PER_QUEUE_MAX, DoneKind, IdRange, item_id_of
from persistq.journal import changes, purges, queries
from persistq.journal.batch import EVENTS_MAX
from persistq.journal.itemized import items_in
from persistq.journal.pages import queue_range
from persistq.journal.rows import now, queue_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from persistq.items import Item
    from persistq.journal.queuerow import QueueRow
    from persistq.journal.writer import Writer

_SECONDS: Final = 0.002
"""After so long a step is over; it is made of parts that take less."""

_ROWS: Final = 500
_BLOCKS: Final = 32
_BYTES: Final = 1 << 20
_PAGES: Final = 16
"""Most rows, blocks, about as many bytes of these, and pages to give back, of one part."""

_ALL_BYTES: Final = 1 << 40


class _Block(NamedTuple):
    """A row of ``put_block``, with the length of its data instead of that."""

    first_id: int
    count: int  # type: ignore[assignment] # tuple.count is not missed
    size: int
    turn_id: int
    origin: int | None
    steps: bytes | None
    spool_id: int | None
    digests: bytes | None
    rank: int | None

    @property
    def last_id(self) -> int:
        return self.first_id + self.count - 1


class Retention:
    """Marks loads as purged, and deletes what they have kept.

    Args:
        writer: The journal's connection.
        path: Where the journal is, for messages.

    Attributes:
        served: A load that is left alone, because a run is at work on it; 0 for none.
    """

    def __init__(self, writer: Writer, path: str) -> None:
        self.served = 0
        self._writer = writer
        self._path = path
        self._parts: Iterator[None] | None = None

    def purge(self, load_id: int) -> bool:
        """Mark a load that has ended; what it keeps is deleted by `step`.

        Outstanding items of one that was abandoned are dropped and its queues sealed: it is
        settled then.

        Crash: all of that is recorded, or nothing.

        Returns:
            False if it has not ended, is purged already, or is served: then nothing has changed.
        """
        with self._writer.transaction(synced=False):
            failpoints.point("retention.before_purge")
            known = {"of_load": load_id, "but_load": self.served}
            if self._writer.execute(purges.MARK, **known, at=now()).rowcount == 0:
                return False
            self._drop_outstanding(load_id)
            self._writer.execute(purges.SEAL, of_load=load_id)
            self._writer.execute(purges.END_SOURCES, of_load=load_id)
        failpoints.point("retention.after_purge")
        self._parts = None
        return True

    def step(self, spools_before: int) -> bool:
        """Delete a little, in a transaction that is not synced.

        Crash: some more rows are deleted, or none of them; the next step goes on from there.

        Args:
            spools_before: From which number on spools may be in use.

        Returns:
            Whether there may be more to delete.
        """
        if self._parts is None:
            self._parts = self._all_parts(spools_before)
        try:
            with self._writer.transaction(synced=False):
                failpoints.point("retention.before_tidy")
                more = self._go_on(self._parts)
            failpoints.point("retention.after_tidy")
        except BaseException:
            self._parts = None
            raise
        if not more:
            self._parts = None
        return more

    def _go_on(self, parts: Iterator[None]) -> bool:
        until = time.monotonic() + _SECONDS
        return any(time.monotonic() >= until for _ in parts)

    # --- the first step ---

    def _drop_outstanding(self, load_id: int) -> None:
        queues = map(queue_from, self._writer.read(queries.QUEUES, of_load=load_id))
        for row in (row for row in queues if row.outstanding):
            # The latest turn: it is not before that in which any item of the queue was put.
            after_id, last_id = queue_range(row.queue_id)
            bounds = {"after_id": after_id, "last_id": last_id}
            [(turn_id,)] = self._writer.read(purges.LAST_PUT_TURN, **bounds)
            ranges = self._outstanding(row)
            ends = [(*ids, DoneKind.DROPPED.value, turn_id) for ids in ranges]
            self._writer.many(changes.END, ends)
            self._writer.many(changes.END_STREAM, ranges)
            self._writer.many(changes.END_CHECKPOINT, ranges)

    def _outstanding(self, row: QueueRow) -> list[IdRange]:
        bounds = item_id_of(row.queue_id, 0), item_id_of(row.queue_id, row.put)
        with self._writer.reading() as pages:
            return [*pages.gaps(*bounds)]

    # --- all others ---

    def _all_parts(self, spools_before: int) -> Iterator[None]:
        """Delete everything there is to delete; each item of this is a part that was done."""
        for queue_id in self._queues():
            yield
            if self._is_purged(queue_id):
                bounds = queue_range(queue_id)
                # First: a queue without blocks is not looked at again.
                yield from self._drop_rows(purges.PRINTED_BOUND, purges.DROP_PRINTED, bounds)
                yield from self._drop_rows(purges.SLOW_BOUND, purges.DROP_SLOW, bounds)
                yield from self._drop_blocks(queue_id)
                yield from self._drop_rows(purges.REASONS_BOUND, purges.DROP_REASONS, bounds)
                yield from self._drop_rows(purges.RANGES_BOUND, purges.DROP_RANGES, bounds)
                yield from self._drop_rows(purges.SPANS_BOUND, purges.DROP_SPANS, bounds)
        yield from self._drop_samples()
        yield from self._drop_events()
        yield from self._drop_turns()
        yield from self._drop_spools(spools_before)
        yield from self._give_back()

    def _queues(self) -> Iterator[int]:
        """Yield the queues that have rows, without looking at those of which nothing is left."""
        queue_id: int | None = 0
        while queue_id is not None:
            after_id = item_id_of(queue_id, ITEMS_PER_QUEUE_MAX)
            [(queue_id,)] = self._writer.read(purges.NEXT_QUEUE, after_id=after_id)
            if queue_id is not None:
                yield queue_id

    def _is_purged(self, queue_id: int) -> bool:
        known = {"of_queue": queue_id, "but_load": self.served}
        return bool(self._writer.read(purges.IS_PURGED_QUEUE, **known))

    def _drop_blocks(self, queue_id: int) -> Iterator[None]:
        after_id, last_id = queue_range(queue_id)
        bounds = {"after_id": after_id, "last_id": last_id}
        needed = [IdRange(*row) for row in self._writer.read(purges.NEEDED, **bounds)]
        while True:
            rows = self._writer.read(
                purges.BLOCKS, after_id=after_id, last_id=last_id, most=_BLOCKS
            )
            blocks = _about([_Block(*row) for row in rows], lambda block: block.size)
            if not blocks:
                return
            ids = {"after_id": after_id, "last_id": blocks[-1].last_id}
            parked = [item_id for (item_id,) in self._writer.read(queries.PARKED_IDS, **ids)]
            for block in blocks:
                if not any(_overlap(block, ids) for ids in needed):
                    self._drop_block(block, parked)
            after_id = blocks[-1].last_id
            yield

    def _drop_block(self, block: _Block, parked: list[int]) -> None:
        """Delete a block, but for its parked items: each becomes a block by itself."""
        inside = bisect_right(parked, block.last_id) - bisect_right(parked, block.first_id - 1)
        if inside and block.count == 1 and block.spool_id is None:
            return
        try:
            saved = self._parked_items(block) if inside else []
        except JournalCorrupt:
            # Its bytes are damaged: whoever looks at the parked items has to see that.
            return
        self._writer.many(purges.DROP_BLOCK, [(block.first_id,)])
        failpoints.point("retention.before_taking_out")
        self._writer.many(changes.PUT, [_single(block, item) for item in saved])

    def _parked_items(self, block: _Block) -> list[Item]:
        with self._writer.reading() as pages:
            bounds = (block.first_id - 1, block.last_id)
            return [*items_in(pages.parked(bounds, block.count, _ALL_BYTES), self._path)]

    def _drop_rows(
        self, bound: str, delete: str, bounds: tuple[int, int], **values: int
    ) -> Iterator[None]:
        """Delete the rows between two keys, some at a time."""
        after_id, last_id = bounds
        while True:
            [(until,)] = self._writer.read(bound, after_id=after_id, last_id=last_id, most=_ROWS)
            if until is None:
                return
            self._writer.execute(delete, after_id=after_id, last_id=until, **values)
            after_id = until
            yield

    def _drop_samples(self) -> Iterator[None]:
        """Delete where the runs of purged loads have stood."""
        run_id = 0
        while found := self._writer.read(purges.NEXT_SAMPLED, after_run=run_id):
            [(run_id,)] = found
            known = {"of_run": run_id, "but_load": self.served}
            if self._writer.read(purges.PURGED_LOAD_OF_RUN, **known):
                self._writer.execute(purges.DROP_STAGE_SAMPLES, of_run=run_id)
                self._writer.execute(purges.DROP_SAMPLES, of_run=run_id)
            yield

    def _drop_events(self) -> Iterator[None]:
        """Delete the first events, up to one whose load is kept; the last one stays.

        So a number is never given twice, and who reads on from a number finds all behind it, or
        that the first of these is gone.
        """
        [(last,)] = self._writer.read(purges.LAST_EVENT)
        while True:
            rows = self._writer.read(purges.FIRST_EVENTS, but_load=self.served, most=_ROWS)
            gone = [
                event_id
                for event_id, _ in takewhile(
                    lambda row: row[0] < last and (row[1] or row[0] <= last - EVENTS_MAX), rows
                )
            ]
            if not gone:
                return
            failpoints.point("retention.before_events")
            self._writer.execute(purges.DROP_EVENTS, until=gone[-1])
            yield

    def _drop_turns(self) -> Iterator[None]:
        """Delete the turns of purged loads that no row refers to any more."""
        position = 0
        [(last,)] = self._writer.read(purges.LAST_TURN_OF_RUNS)
        while position < last:
            run_id = self._run_after(position)
            behind = bisect_right(range(position, last), run_id, key=self._run_after) + position
            known = {"of_run": run_id, "but_load": self.served}
            loads = self._writer.read(purges.PURGED_LOAD_OF_RUN, **known)
            yield
            for (load_id,) in loads:
                yield from self._drop_rows(
                    purges.TURNS_BOUND, purges.DROP_TURNS, (position, behind), of_load=load_id
                )
            position = behind

    def _run_after(self, turn_id: int) -> int:
        """Return the run of the first turn behind a number; there is one."""
        [(_, run_id)] = self._writer.read(purges.TURN, after_id=turn_id)
        return int(run_id)

    def _drop_spools(self, before: int) -> Iterator[None]:
        """Delete the spools of attempts that are over, but for what is items of a load still."""
        spool_id = 0
        while found := self._writer.read(purges.NEXT_SPOOL, after_id=spool_id, before=before):
            [(spool_id, queue_id, count)] = found
            yield
            if count is not None and self._is_needed(spool_id, queue_id):
                continue
            while rows := self._writer.read(purges.LAST_SPOOLED, spool_id=spool_id, most=_BLOCKS):
                place = _about(rows, lambda row: row[1])[-1][0]
                self._writer.execute(purges.DROP_SPOOLED, spool_id=spool_id, place=place)
                yield
            self._writer.execute(purges.DROP_SPOOL, spool_id=spool_id)
            yield

    def _is_needed(self, spool_id: int, queue_id: int) -> bool:
        """Return whether a spool that was published may have items: of several queues, perhaps."""
        known = {"of_queue": queue_id, "spool_id": spool_id}
        return not self._is_purged(queue_id) or bool(self._writer.read(purges.HAS_ITEMS, **known))

    def _give_back(self) -> Iterator[None]:
        """Shorten the file by what is free in it, once nothing more is to be deleted."""
        free, before = self._free(), None
        while free and free != before:
            failpoints.point("retention.before_giving_back")
            self._writer.read(f"PRAGMA incremental_vacuum({_PAGES})")
            yield
            free, before = self._free(), free

    def _free(self) -> int:
        [(pages,)] = self._writer.read("PRAGMA freelist_count")
        return int(pages)


def _about(rows: list[Any], size_of: Callable[[Any], int]) -> list[Any]:
    """Return the first rows, about `_BYTES` of them and at least one."""
    sizes = accumulate(map(size_of, rows), initial=0)
    return rows[: sum(1 for _ in takewhile(lambda size: size < _BYTES, [*sizes][:-1]))]


def _overlap(block: _Block, ids: IdRange) -> bool:
    return block.first_id <= ids.last and ids.first <= block.last_id


def _single(block: _Block, item: Item) -> tuple[Any, ...]:
    """Return the columns of a block of one item that was taken out of another."""
    alone = block_of(item.codec, [item.payload])
    position = item.item_id - block.first_id
    alone = alone._replace(rank=block.rank)
    if block.digests is not None:
        alone = alone._replace(digests=digest_at(block.digests, position))
    origin: tuple[int | None, bytes | None] = (None, None)
    if block.origin is not None and block.steps is not None:
        made_of = Origin(block.origin, block.steps).of(position)
        origin = Origin(made_of)
    return (item.item_id, *alone, block.turn_id, *origin, None)
