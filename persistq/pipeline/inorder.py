"""Results in the order of the inputs that they were made of."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from persistq.items import IdRange, item_id_of, number_of, queue_of
from persistq.journal.reader import ItemState

if TYPE_CHECKING:
    from persistq.blocks import Slice
    from persistq.journal.queuerow import QueueRow
    from persistq.journal.reader import JournalReader
    from persistq.journal.view import JournalView
    from persistq.pipeline.results import Results

PAGE: Final = 100_000
"""Of so many items it is read at a time of what they were made."""

_WITHOUT: Final = {ItemState.PARKED, ItemState.DROPPED}


class Roots:
    """Knows of each item of a load of which input it was made in the end: 8 bytes an item.

    Args:
        reader: The journal.
        queues: The queues of the load.
    """

    def __init__(self, reader: JournalReader, queues: Sequence[QueueRow]) -> None:
        self._origins = {row.queue_id: _origins(reader, row) for row in queues}

    def of(self, item_id: int) -> int:
        """Return the input that led to an item; the item itself if it was put."""
        while origin := self._origins[queue_of(item_id)][number_of(item_id) - 1]:
            item_id = origin
        return item_id


def _origins(reader: JournalReader, row: QueueRow) -> array[int]:
    found = array("q", bytes(8 * row.put))
    for first in range(1, row.put + 1, PAGE):
        ids = IdRange(
            item_id_of(row.queue_id, first),
            item_id_of(row.queue_id, min(first + PAGE - 1, row.put)),
        )
        for block, origin in reader.origins(ids):
            if origin is not None:
                start = number_of(block.first) - 1
                stop = min(start + block.count, row.put)
                found[start:stop] = array("q", [*origin.each(block.count)][: stop - start])
    return found


def in_order_of_inputs(reader: JournalReader, view: JournalView, results: Results) -> Iterator[Any]:
    """Yield the results of a load, those of each input in the order in which they were made.

    Args:
        reader: The journal.
        view: The load; what it gets later is left out.
        results: Its results.
    """
    if (row := view.results) is None:
        return
    roots = Roots(reader, view.queues)
    ids = range(item_id_of(row.queue_id, 1), item_id_of(row.queue_id, row.put) + 1)
    for result_id in sorted(ids, key=roots.of):
        yield results.value(result_id)


class AsMade:
    """Gives results as they come.

    Args:
        results: Reads them.
    """

    def __init__(self, results: Results) -> None:
        self._results = results

    def take(self, page: list[Slice]) -> Iterator[Any]:
        """Take in a page of results, and yield those whose turn it is."""
        for part in page:
            yield from self._results.values(part)

    def passes(self) -> bool:
        """Return whether one that will not come was waited for, and is so no more."""
        return False

    def rest(self) -> Iterator[Any]:
        """Yield what is left when nothing more comes."""
        return iter(())


class InOrder(AsMade):
    """Gives each result when those of all inputs before were given, or will not come.

    Of a result that waits for an earlier one its number is kept, about a hundred bytes.

    Args:
        results: Reads them.
        reader: The journal.
        queue_id: The queue of the inputs.
    """

    def __init__(self, results: Results, reader: JournalReader, queue_id: int) -> None:
        super().__init__(results)
        self._reader = reader
        self._next = item_id_of(queue_id, 1)
        self._where: dict[int, int] = {}

    def take(self, page: list[Slice]) -> Iterator[Any]:
        """Take in a page of results, and yield those whose turn it is."""
        if page:
            self._note(IdRange(page[0].ids.first, page[-1].ids.last))
        while (result_id := self._where.pop(self._next, None)) is not None:
            self._next += 1
            yield self._results.value(result_id)

    def _note(self, ids: IdRange) -> None:
        for block, origin in self._reader.origins(ids):
            if origin is not None:
                made = range(block.first, block.last + 1)
                self._where.update(zip(origin.each(block.count), made, strict=True))

    def passes(self) -> bool:
        """Return whether the input whose turn it is has ended without a result."""
        found = next(self._reader.items(self._next, self._next), None)
        passed = found is not None and found.state in _WITHOUT
        self._next += passed
        return passed

    def rest(self) -> Iterator[Any]:
        """Yield what is left: of inputs that were parked when it was their turn."""
        for item_id in sorted(self._where):
            yield self._results.value(self._where[item_id])
