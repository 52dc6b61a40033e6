"""Receipts that loads have left in a target: those that nobody will ask for are deleted by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from persistq.items import IdRange, item_id_of
from persistq.journal.load import LoadState

if TYPE_CHECKING:
    from persistq.journal.load import Load
    from persistq.journal.queuerow import QueueRow
    from persistq.journal.reader import JournalReader
    from persistq.sinks import Sink

ENDED = frozenset({LoadState.SETTLED, LoadState.ABANDONED})


def clear_receipts(
    reader: JournalReader, sink: Sink, load_ids: Iterable[int], *, abandoned: bool
) -> int:
    """Delete the receipts of items of ended loads that will not be worked on again.

    Parked items keep theirs: they may be retried by hand, and may be stored. So do outstanding
    items of an abandoned load, which can be carried on by its number, unless ``abandoned``.

    Crash: those that are left take room, and do no harm; the same call again deletes them.

    Args:
        reader: The journal.
        sink: Where the receipts are.
        load_ids: The loads; those that have not ended are passed over.
        abandoned: Whether abandoned loads are given up for good.

    Returns:
        How many there were.

    Raises:
        SinkUnavailable: The target cannot be used now.
        UsageError: It cannot be used like this, or has no table of receipts.
    """
    loader = sink.open(make=False)
    try:
        return sum(
            loader.purge(run.uuid, span.first, span.last)
            for load_id in load_ids
            for span in _free(reader, load_id, abandoned=abandoned)
            for run in reader.runs(load_id)
        )
    finally:
        loader.close()


def _free(reader: JournalReader, load_id: int, *, abandoned: bool) -> list[IdRange]:
    """Return the items of a load that will not be worked on again; none while it is worked on."""
    load = _load(reader, load_id)
    spans = [
        span
        for queue in reader.queues()
        if queue.load_id == load_id
        for span in _between(queue, sorted(_kept(reader, load, queue, abandoned=abandoned)))
    ]
    # Read after the items: who has taken one of them up since has reopened the load before.
    return spans if _load(reader, load_id).state in ENDED else []


def _load(reader: JournalReader, load_id: int) -> Load:
    return next(load for load in reader.loads() if load.load_id == load_id)


def _kept(reader: JournalReader, load: Load, queue: QueueRow, *, abandoned: bool) -> Iterator[int]:
    """Yield the ids of the items that may be worked on again."""
    for parked in reader.parked_errors(queue.queue_id):
        yield parked.item_id
    # Those of a purged load cannot be carried on, nor read.
    if load.state is LoadState.ABANDONED and load.purged_at is None and not abandoned:
        for item in reader.outstanding(queue.queue_id):
            yield item.item_id


def _between(queue: QueueRow, kept: list[int]) -> Iterator[IdRange]:
    first, last = item_id_of(queue.queue_id, 1), item_id_of(queue.queue_id, queue.next_n - 1)
    for item_id in kept:
        if first < item_id:
            yield IdRange(first, item_id - 1)
        first = item_id + 1
    if first <= last:
        yield IdRange(first, last)
