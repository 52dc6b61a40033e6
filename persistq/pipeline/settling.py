"""The end of a load with sinks: its receipts are deleted, because nobody will ask for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from persistq import failpoints
from persistq.items import IdRange, item_id_of
from persistq.journal.opening import open_reader
from persistq.text.terminal import text_of

if TYPE_CHECKING:
    from persistq.client.starting import OpenedRun
    from persistq.journal.reader import JournalReader
    from persistq.sinks import FileSink, Sink, Tried
    from persistq.wire.messages import QueueSizes


def purge_receipts(
    opened: OpenedRun, stages: Mapping[str, Sink | FileSink | Tried], queues: Sequence[QueueSizes]
) -> list[str]:
    """Delete the receipts of a settled load, but for those of parked items.

    A worker may have died when an item was stored and not reported; if it was parked for that, and
    is retried, its receipt must be there.

    Crash: those that are left take room, and do no harm: their items never come again.

    Args:
        opened: The load, whose end is on disk.
        stages: Where its stages have stored, by name.
        queues: Their counters.

    Returns:
        A sentence for each stage where it was not possible.
    """
    said = []
    for queue in queues:
        if (sink := stages.get(queue.name)) is not None:
            try:
                failpoints.point("supervisor.before_purge")
                _purge(sink, *_read(opened, queue))
            except Exception as error:  # noqa: BLE001 - the load is done, whatever becomes of these
                said.append(f"receipts are left in {sink}; they do no harm: {text_of(error)}")
    return said


def _read(opened: OpenedRun, queue: QueueSizes) -> tuple[list[str], list[IdRange]]:
    """Return the runs of a load, and the items of a stage whose receipts can go."""
    with open_reader(opened.handle.site) as reader:
        runs = [run.uuid for run in reader.runs(opened.welcome.load_id)]
        return runs, [*_settled(reader, queue)]


def _purge(sink: Sink | FileSink | Tried, runs: Sequence[str], settled: Sequence[IdRange]) -> None:
    loader = sink.open()
    try:
        for run in runs:
            for first, last in settled:
                loader.purge(run, first, last)
    finally:
        loader.close()


def _settled(reader: JournalReader, queue: QueueSizes) -> Iterator[IdRange]:
    """Return the ids of a queue's items, but for those that are parked."""
    first, last = item_id_of(queue.queue_id, 1), item_id_of(queue.queue_id, queue.put)
    if queue.parked:
        for item, _ in reader.parked(queue.queue_id):
            if first < item.item_id:
                yield IdRange(first, item.item_id - 1)
            first = item.item_id + 1
    if first <= last:
        yield IdRange(first, last)
