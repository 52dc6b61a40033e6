"""Items that are passed on when they are done with: the next stage ends what they stand for.

A file that is an item has to be moved when nobody works on it any more, however that came: its
handler has returned, or has dropped it, or a person has. So not its worker passes it on but who
records its end, in the transaction that records it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from persistq import failpoints
from persistq.blocks import JSON, Block, Origin, Slice, block_of, blocks_of, is_json
from persistq.items import IdRange, queue_of, ranges_of

if TYPE_CHECKING:
    from persistq.broker.intake import Intake
    from persistq.broker.seals import Seals
    from persistq.journal.base import Journal
    from persistq.journal.queuerow import QueueRow

_ITEMS: Final = 10_000
_BYTES: Final = 1 << 24
"""So much is read of the journal at a time."""


class Passing:
    """Puts items of some queues on the queues behind them when they are done with.

    Crash: it is recorded with their end, or their end is not recorded.

    Args:
        journal: Where the items are.
        rows: The queues by number.
        intake: Where they are put.
        seals: What is lifted for what a person has dropped.

    Attributes:
        to: The queue that gets the items of another one, by that other one; see `begin`.
    """

    def __init__(
        self, journal: Journal, rows: Mapping[int, QueueRow], intake: Intake, seals: Seals
    ) -> None:
        self.to: dict[int, int] = {}
        self._journal = journal
        self._rows = rows
        self._intake = intake
        self._seals = seals

    def begin(self, to: Mapping[int, int]) -> None:
        """Say which queue gets the items of which."""
        self.to = dict(to)
        self._intake.passed = {*to.values()}

    def pass_on(self, ranges: Sequence[IdRange]) -> None:
        """Pass on items of one queue that are done, or that their handler has dropped."""
        target = self.to.get(queue_of(ranges[0].first))
        if target is None:
            return
        failpoints.point("broker.before_pass_on")
        for part in self._slices(ranges):
            for block, origin in _blocks_of(part):
                self._intake.put(target, [block], synced=False, origins=[origin])

    def set_aside(self, queue_id: int, item_ids: Sequence[int], reason: str) -> None:
        """Pass on items that a person has dropped, and say so with each.

        What is no JSON cannot say it, and is left where it is.

        Args:
            queue_id: Their queue.
            item_ids: The items.
            reason: Why; may be empty.
        """
        target = self.to.get(queue_id)
        blocks = [*self._dropped(item_ids, reason)] if target is not None else []
        if target is None or not blocks:
            return
        row = self._rows[target]
        sealed = row.sealed_total is not None
        for block, origin in blocks:
            self._intake.put(target, [block], synced=True, origins=[origin])
        self._seals.open_again(row)
        if sealed:
            self._seals.seal_again(row)

    def _dropped(self, item_ids: Sequence[int], reason: str) -> Iterator[tuple[Block, Origin]]:
        for part in self._slices(ranges_of([*item_ids])):
            for item in part.items() if is_json(part.block.codec) else ():
                told = {"dropped": msgspec.Raw(item.payload), "reason": reason}
                yield block_of(JSON, [msgspec.json.encode(told)]), Origin(item.item_id)

    def _slices(self, ranges: Iterable[IdRange]) -> Iterator[Slice]:
        for first, last in ranges:
            before = first - 1
            while page := self._journal.put_page(before, last, _ITEMS, _BYTES):
                yield from page
                before = page[-1].ids.last


def _blocks_of(part: Slice) -> Iterator[tuple[Block, Origin]]:
    """Yield items as blocks without what only their own queue needs, each with its origin."""
    first, payloads = part.ids.first, [item.payload for item in part.items()]
    for block in blocks_of([part.block.codec] * len(payloads), payloads):
        yield block, Origin(first, b"\1")
        first += block.count
