"""What a polled source has put lately, and does not put again while that counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from persistq.blocks import Block, BlockDamaged, Slice, blocks_of, on_terms_of
from persistq.broker.absorb import PAGE, PAGE_BYTES, digest
from persistq.broker.sources import Sources, put_by
from persistq.items import IdRange
from persistq.journal.base import Journal
from persistq.journal.queuerow import QueueRow
from persistq.journal.recent import Recent
from persistq.journal.sourcerow import SourceRow


class Requeuing:
    """Admits each value of a source once in a while.

    What stands for a value is a digest of it, `persistq.broker.absorb.digest`.

    Args:
        window: How long a value that was put is not put again, in seconds.
        clock: Seconds since 1970: what earlier runs have put counts as well.
    """

    def __init__(self, window: float, clock: Callable[[], float]) -> None:
        self._window = window
        self._clock = clock
        self._recent = Recent(window)

    def read(self, journal: Journal, row: QueueRow, sources: Sources, source: SourceRow) -> None:
        """Take over what earlier runs have put lately."""
        for ids, at in journal.put_since(row.queue_id, self._clock() - self._window):
            for span in put_by(journal, sources, source, ids.first - 1, ids.last):
                for part in _pages(journal, IdRange(span.after + 1, span.last)):
                    self._recent.note(_digests(part.block, part), at)

    def admit(self, blocks: Sequence[Block]) -> list[Block]:
        """Return what was not put lately; it counts from now on.

        Crash: what is not committed then is forgotten with this process.
        """
        return [new for block in blocks for new in self._admit(block)]

    def _admit(self, block: Block) -> list[Block]:
        try:
            payloads = block.payloads()
        except BlockDamaged:
            # It repeats nothing that anybody could read; its consumers will say so.
            return [block]
        digests = [digest(block.codec, payload) for payload in payloads]
        admitted = self._recent.admit(digests, self._clock())
        new = [payload for payload, fine in zip(payloads, admitted, strict=True) if fine]
        if len(new) == block.count:
            return [block]
        return on_terms_of(block, blocks_of([block.codec] * len(new), new))


def _pages(journal: Journal, ids: IdRange) -> Iterator[Slice]:
    after = ids.first - 1
    while after < ids.last and (page := journal.put_page(after, ids.last, PAGE, PAGE_BYTES)):
        yield from page
        after = page[-1].ids.last


def _digests(block: Block, part: Slice) -> list[bytes]:
    try:
        payloads = block.payloads()[part.start : part.stop]
    except BlockDamaged:
        return []
    return [digest(block.codec, payload) for payload in payloads]
