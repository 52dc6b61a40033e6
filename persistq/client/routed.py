"""What handlers made of their items for several queues: each gets its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from threading import Lock
from time import monotonic as _now
from typing import Any, Protocol

from persistq.blocks import BYTES_MAX, ITEMS_MAX, Block
from persistq.client.outputs import (
    STREAMED_S,
    Encoded,
    Encoder,
    Heap,
    Routed,
    blocks_of_run,
    joined,
    spool_for,
)
from persistq.wire.messages import Outputs


class SpoolTo(Protocol):
    """Takes blocks of what is made of an item for one queue."""

    def __call__(self, blocks: list[Block], queue_id: int) -> None:
        """Take some, while more of it is being made."""


class SendTo(Protocol):
    """Takes blocks of what is made of an item for one queue, to be put at once."""

    def __call__(self, blocks: list[Block], queue_id: int, *, first: bool) -> None:
        """Take some; the first ones are those that begin an attempt."""


class _Run:
    """Items that are encoded one by one, and not in a block yet."""

    def __init__(self) -> None:
        self.items: list[Encoded] = []
        self.size = 0

    def add(self, one: Encoded) -> bool:
        """Add an item, and return whether there are enough for a block."""
        self.items.append(one)
        self.size += len(one[1])
        return self.size >= BYTES_MAX or len(self.items) == ITEMS_MAX

    def take(self) -> list[Encoded]:
        """Take all of them out."""
        items, self.items, self.size = self.items, [], 0
        return items


class KeptByQueue:
    """Takes what one attempt makes, encodes it at once, and keeps it until the attempt is over.

    Threads may add to it at the same time.

    Args:
        codec: Returns what encodes the items of a queue.
        spool: Takes what is too much to be kept; None keeps all of it.
    """

    def __init__(self, codec: Callable[[int], Encoder], spool: SpoolTo | None = None) -> None:
        self._codec = codec
        self._spool = spool
        self._runs = defaultdict[int, _Run](_Run)
        self._heaps: dict[int, Heap] = {}
        self._lock = Lock()

    def add(self, queue_id: int, value: Any) -> None:
        """Take one output for a queue.

        Raises:
            ItemNotStorable: It cannot be encoded.
            UsageError: It is an end of a queue.
        """
        one = self._codec(queue_id).encode(value)
        with self._lock:
            run = self._runs[queue_id]
            if run.add(one):
                self._heap(queue_id).add(run.take())

    def closed(self) -> Routed:
        """Return all that was made and not spooled, by queue."""
        with self._lock:
            made = {
                queue_id: self._heap(queue_id).closed(run.take())
                for queue_id, run in self._runs.items()
            }
        return {queue_id: outputs for queue_id, outputs in made.items() if outputs}

    def _heap(self, queue_id: int) -> Heap:
        if queue_id not in self._heaps:
            self._heaps[queue_id] = Heap(self._spooler(queue_id))
        return self._heaps[queue_id]

    def _spooler(self, queue_id: int) -> Callable[[list[Block]], None] | None:
        spool = self._spool
        if spool is None:
            return None
        return spool_for(self._codec(queue_id), lambda blocks: spool(blocks, queue_id))


class StreamedByQueue:
    """Takes what one attempt makes, encodes it at once, and hands it on without waiting for more.

    Threads may add to it at the same time.

    Args:
        codec: Returns what encodes the items of a queue.
        send: Takes blocks of it.
    """

    def __init__(self, codec: Callable[[int], Encoder], send: SendTo) -> None:
        self._codec = codec
        self._send = send
        self._runs = defaultdict[int, _Run](_Run)
        self._due = 0.0
        self._first = True
        self._lock = Lock()

    def add(self, queue_id: int, value: Any) -> None:
        """Take one output for a queue.

        Raises:
            ItemNotStorable: It cannot be encoded; those before it are handed on.
            UsageError: It is an end of a queue.
        """
        one = self._codec(queue_id).encode(value)
        with self._lock:
            if self._runs[queue_id].add(one) or _now() >= self._due:
                self._flush()

    def closed(self) -> Routed:
        """Hand on the rest; nothing is left to be returned."""
        with self._lock:
            self._flush()
        return {}

    def _flush(self) -> None:
        for queue_id, run in self._runs.items():
            if run.items:
                self._send(blocks_of_run(run.take()), queue_id, first=self._first)
                self._first = False
        self._due = _now() + STREAMED_S


def outputs_by_queue(made: Mapping[int, Routed]) -> list[Outputs]:
    """Return what was made of items as a report says it, for each queue that gets some.

    Args:
        made: What was made, by item.
    """
    queues = sorted({queue_id for routed in made.values() for queue_id in routed})
    outputs = []
    for queue_id in queues:
        of_each = {item_id: routed.get(queue_id, ()) for item_id, routed in made.items()}
        outputs.append(Outputs(queue_id, *joined(of_each)))
    return outputs
