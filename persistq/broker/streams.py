"""What stages that stream have put of items at work: another attempt at one may put it again."""

from __future__ import annotations

from collections.abc import Callable

from persistq.blocks import Block
from persistq.broker.absorb import Absorber
from persistq.items import queue_of
from persistq.journal.base import Journal
from persistq.wire.messages import Stream


class Streams:
    """The attempts that stream, one of each consumer.

    Args:
        journal: Where it is recorded what earlier attempts have put.
        new_absorber: Makes an absorber that expects nothing yet.
    """

    def __init__(self, journal: Journal, new_absorber: Callable[[], Absorber]) -> None:
        self._journal = journal
        self._new_absorber = new_absorber
        self._attempts: dict[int, tuple[int, dict[int, Absorber]]] = {}

    def item_of(self, consumer_id: int) -> int:
        """Return the item that a consumer has streamed of last, 0 for none."""
        item_id, _ = self._attempts.get(consumer_id, (0, {}))
        return item_id

    def begin(self, consumer_id: int, item_id: int) -> None:
        """A consumer begins to put what it makes of an item."""
        self.leave(consumer_id)
        absorbers: dict[int, Absorber] = {}
        for first, last in self._journal.streamed(item_id):
            absorber = absorbers.setdefault(queue_of(first), self._new_absorber())
            absorber.expect(first - 1, last)
        self._attempts[consumer_id] = item_id, absorbers

    def admit(self, consumer_id: int, queue_id: int, stream: Stream) -> list[Block]:
        """Return what no earlier attempt has put on a queue; `begin` came before.

        Crash: what is absorbed is scratch; the next attempt starts again.
        """
        _, absorbers = self._attempts[consumer_id]
        absorber = absorbers.get(queue_id)
        keyed = stream.blocks[0].digests is not None
        return absorber.admit(stream.blocks) if absorber and not keyed else stream.blocks

    def leave(self, consumer_id: int) -> None:
        """A consumer is gone, or goes on to another attempt."""
        _, absorbers = self._attempts.pop(consumer_id, (0, {}))
        for absorber in absorbers.values():
            absorber.close()
