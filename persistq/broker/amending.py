"""What people do to parked items by hand: each order is in one transaction, with its trace.

Only parked items can be retried, dropped or edited. What is outstanding may be in a worker's hands
at any moment; it is done soon, or parked. So what is dropped is never run afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from persistq import failpoints
from persistq.items import IdRange

if TYPE_CHECKING:
    from persistq.blocks import Block
    from persistq.broker.parked import Parked


class Amending:
    """Carries out orders; who gives one commits, or the broker does at the end of its turn.

    Crash: before that commit nothing of the order is recorded, after it all of it.

    Args:
        parked: The parked items of the load.
    """

    def __init__(self, parked: Parked) -> None:
        self._parked = parked

    def retry(self, ids: Sequence[IdRange]) -> int:
        """Put those of these items that are parked back to work; return how many."""
        found = self._parked.of(ids)
        for queue_id, item_ids in found.items():
            self._parked.put_back(queue_id, item_ids)
        failpoints.point("amending.before_retry")
        return sum(map(len, found.values()))

    def discard(self, ids: Sequence[IdRange], reason: str) -> int:
        """Drop those of these items that are parked; return how many."""
        found = self._parked.of(ids)
        for queue_id, item_ids in found.items():
            if item_ids:
                self._parked.discard(queue_id, item_ids, reason)
        failpoints.point("amending.before_discard")
        return sum(map(len, found.values()))

    def replace(self, item_id: int, block: Block, reason: str) -> int:
        """Drop a parked item and put another for it; return its id, 0 if it is not parked."""
        if not any(self._parked.of([IdRange(item_id, item_id)]).values()):
            return 0
        made = self._parked.replace(item_id, block, reason)
        failpoints.point("amending.before_replace")
        return made
