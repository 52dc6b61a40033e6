"""The work of a stage whose handler gets batches: what it is called with, and what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from persistq.client.outputs import Made, Routed, encoded
from persistq.client.routed import KeptByQueue
from persistq.errors import NotAResult, UsageError
from persistq.flow import Failed
from persistq.pipeline.outputs import outputs_of
from persistq.pipeline.routes import routed
from persistq.pool.task import Opened

if TYPE_CHECKING:
    from persistq.channel import BatchChannel
    from persistq.client.window import Delivery
    from persistq.pipeline.task import StageCall

Result = Made | Routed | BaseException
"""What came of one item, or why it has failed."""


class StageBatches:
    """A stage with batches in one of its processes.

    Args:
        call: The stage's handler, with what it takes beside the items.
    """

    def __init__(self, call: StageCall) -> None:
        self._call = call

    def open(self, delivery: Delivery, channel: BatchChannel) -> Opened:
        """Decode one item.

        Raises:
            ItemNotReadable: It cannot be.
        """
        return self._call.open(delivery, channel)

    def __call__(self, batch: Sequence[Opened]) -> list[Result]:
        """Run the handler on a batch.

        Returns:
            For each item what is made of it, or why it has failed.
        """
        try:
            entries = self._entries(self._call(batch))
        except Failed as failed:
            return self._blamed(failed, len(batch))
        return self._results(entries, len(batch))

    def stored(self, batch: Sequence[Opened], conn: Any) -> list[Result]:
        """Do the same within a transaction, which is rolled back if an item fails.

        Raises:
            Failed: The handler has said which items failed.
        """
        result = self._call(batch, conn)
        if self._call.single:
            return [self._made(result)]
        return self._results(self._entries(result), len(batch))

    def _entries(self, result: Any) -> Any:
        """Return what a handler has returned; what it yields as a list.

        Raises:
            NotAResult: It has not done its work.
        """
        outputs = outputs_of(result)
        if isinstance(outputs, tuple):
            return result
        # A generator works while it is gone through.
        return [*outputs]

    def _blamed(self, failed: Failed, count: int) -> list[Result]:
        if max(failed.errors) >= count:
            wrong = UsageError(f"Failed() names index {max(failed.errors)} of a batch of {count}")
            return [wrong] * count
        results = self._results(failed.results, count)
        for index, error in failed.errors.items():
            results[index] = error
        return results

    def _results(self, entries: Any, count: int) -> list[Result]:
        if entries is None or not self._call.makes:
            return [()] * count
        if not isinstance(entries, list | tuple) or len(entries) != count:
            return [NotAResult("the handler", _what_is_wrong(entries, count))] * count
        return [*map(self._made, entries)]

    def _made(self, entry: Any) -> Result:
        """Encode what came of one item; what is wrong with that is no other item's fault."""
        try:
            routes, codec = self._call.routes, self._call.codec
            if not routes.many:
                return encoded(outputs_of(entry, routes.alone), self._call.encodes)
            kept = KeptByQueue(partial(routes.codec, codec=codec))
            for queue_id, output in routed(outputs_of(entry), routes):
                kept.add(queue_id, output)
            return kept.closed()
        except Exception as error:  # noqa: BLE001 - it may be yielded, by the user's code
            return error


def _what_is_wrong(entries: Any, count: int) -> str:
    listed = isinstance(entries, list | tuple)
    returned = f"{len(entries):,} results" if listed else f"a {type(entries).__name__}"
    return (
        f"returned {returned} for a batch of {count:,}: return None, or a list with one result for "
        "each item, in their order (None where there is none)"
    )
