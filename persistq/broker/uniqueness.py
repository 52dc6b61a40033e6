"""Natural keys: in a queue that has such, the second item with a key is left out and counted.

The digests lie in the put-log, with the items. To look one up, all of a queue's are held in a
temporary file, which is made of the put-log when something is put for the first time in a run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby

from persistq import failpoints
from persistq.blocks import Block, BlockDamaged, Origin, block_of, digest_at
from persistq.broker.digestset import DigestSet
from persistq.items import item_id_of
from persistq.journal.base import Journal
from persistq.journal.queuerow import QueueRow

PAGE_BLOCKS = 64

Admitted = tuple[list[Block], list[Origin] | None]
"""Blocks, and of what the items of each were made; None if they were put."""


class Uniqueness:
    """Knows the natural keys of one queue; counts what it leaves out in the queue's row.

    A source that is called again puts again what it has put before. So many puts are expected to
    come again as were put or left out, and are not counted a second time.

    Args:
        journal: Where the keys are.
        row: The queue.
        names: The names it has had, by which other loads' queues are the same; none if what
            they have done does not count here.
        new_set: Makes an empty set of digests.
    """

    def __init__(
        self,
        journal: Journal,
        row: QueueRow,
        names: Collection[str] = (),
        new_set: Callable[[], DigestSet] = DigestSet,
    ) -> None:
        self._journal = journal
        self._row = row
        self._names = names
        self._new_set = new_set
        self._here: DigestSet | None = None
        self._done: DigestSet | None = None
        self._repeats = 0
        self._skips = 0

    def expect_again(self, put: int = 0, duplicates: int = 0, skipped: int = 0) -> None:
        """What was put up to now comes again, but for the first ones.

        Args:
            put: How many items come not again.
            duplicates: How many of those that were left out.
            skipped: The same.
        """
        row = self._row
        first = item_id_of(row.queue_id, put)
        by_hand = sum(item_id > first for item_id in self._journal.replacements(row.queue_id))
        self._repeats = row.put + row.duplicates - put - duplicates - by_hand
        self._skips = row.skipped - skipped

    def expect_more(self, count: int) -> None:
        """So many items more come again: what an attempt that failed has streamed."""
        self._repeats += count

    def admit(self, blocks: Sequence[Block], origins: Sequence[Origin] | None = None) -> Admitted:
        """Return what is new, and count the rest.

        Crash: the counts, and what is put, are recorded in one transaction, or neither is. What is
        known here is made of the put-log again.

        Args:
            blocks: Items with digests.
            origins: Of what the items of each block were made; None if they were put.

        Raises:
            JournalUnavailable: There is no room for the temporary file.
        """
        if self._here is None:
            self._load()
        new: list[Block] = []
        made_of: list[Origin] | None = None if origins is None else []
        for n, block in enumerate(blocks):
            positions = self._new_in(block)
            if len(positions) == block.count:
                new.append(block)
                if origins is not None and made_of is not None:
                    made_of.append(origins[n])
            elif origins is not None and made_of is not None:
                for run, part in zip(runs := [*_runs(positions)], _parts(block, runs), strict=True):
                    new.append(part)
                    made_of.append(_within(origins[n], run))
            elif positions:
                new += _parts(block, [positions])
        return new, made_of

    def close(self) -> None:
        """Forget everything."""
        for known in (self._here, self._done):
            if known is not None:
                known.close()
        self._here = self._done = None

    # --- inside ---

    def _new_in(self, block: Block) -> Sequence[int]:
        """Return the positions of what is new in a block, and count the others."""
        digests = block.digests
        assert digests is not None, "an item without a natural key in a queue that has such"
        assert self._here is not None
        positions: Sequence[int] = range(block.count)
        if self._done and (done := set(self._done.find(digests))):
            self._count_skipped(len(done))
            positions = [n for n in positions if n not in done]
            digests = b"".join(digest_at(digests, n) for n in positions)
        if known := set(self._here.add(digests)):
            self._count_duplicates(len(known))
            positions = [n for place, n in enumerate(positions) if place not in known]
        return positions

    def _count_skipped(self, count: int) -> None:
        repeated = min(count, self._skips)
        self._skips -= repeated
        self._row.skipped += count - repeated

    def _count_duplicates(self, count: int) -> None:
        repeated = min(count, self._repeats)
        self._repeats -= repeated
        self._row.duplicates += count - repeated

    def _load(self) -> None:
        """Read all keys that may come again."""
        failpoints.point("broker.before_keys")
        self._here = self._new_set()
        for digests in self._pages(self._page_here, item_id_of(self._row.queue_id, 0)):
            self._here.add(digests)
        if self._names:
            self._done = self._new_set()
            for digests in self._pages(self._page_done, 0):
                self._done.add(digests)

    def _pages(
        self, page: Callable[[int], list[tuple[int, bytes]]], after_id: int
    ) -> Iterator[bytes]:
        while found := page(after_id):
            yield b"".join(digests for _, digests in found)
            after_id = found[-1][0]

    def _page_here(self, after_id: int) -> list[tuple[int, bytes]]:
        last_id = item_id_of(self._row.queue_id, self._row.put)
        return self._journal.digests(after_id, last_id, PAGE_BLOCKS)

    def _page_done(self, after_id: int) -> list[tuple[int, bytes]]:
        return self._journal.done_keys(self._names, self._row.load_id, after_id, PAGE_BLOCKS)


def _parts(block: Block, runs: Sequence[Sequence[int]]) -> Iterator[Block]:
    """Yield some of a block's items, those of each run as a block; of a damaged one all are."""
    assert block.digests is not None
    terms = block.rank, block.due
    try:
        payloads = block.payloads()
    except BlockDamaged:
        payloads = None
    for run in runs:
        digests = b"".join(digest_at(block.digests, n) for n in run)
        if payloads is None:
            yield Block(len(run), block.codec, bytes(len(run)), 0, digests, *terms)
        else:
            found = block_of(block.codec, [payloads[n] for n in run])
            yield Block(*found[:4], digests, *terms)


def _runs(positions: Sequence[int]) -> Iterator[list[int]]:
    """Yield positions that follow on each other: the items of a run have one origin to name."""
    for _, run in groupby(enumerate(positions), key=lambda pair: pair[1] - pair[0]):
        yield [position for _, position in run]


def _within(origin: Origin, run: Sequence[int]) -> Origin:
    """Return the origin of some items of a block that follow on each other."""
    steps = origin.steps
    own = steps if len(steps) == 1 else steps[run[0] : run[-1]] or b"\0"
    return Origin(origin.of(run[0]), own)
