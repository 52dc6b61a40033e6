"""Results that are kept, read from the journal: what last stages have made, value by value."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from persistq.codec import VALUE, ItemCodec, decoded
from persistq.errors import UsageError
from persistq.items import ITEMS_PER_QUEUE_MAX, IdRange, item_id_of
from persistq.journal.opening import open_reader

if TYPE_CHECKING:
    from persistq.blocks import Slice
    from persistq.journal.queuerow import QueueRow
    from persistq.journal.reader import JournalReader
    from persistq.journal.view import JournalView
    from persistq.site.base import Site

RECENT: Final = 64
"""So many blocks are kept that were read to look up single results: of 16 kB each, mostly."""


class Results:
    """The results of one load, in the order in which they were made.

    Args:
        reader: The journal.
        queue_id: Where they are kept.
        codec: Decodes them.
    """

    def __init__(self, reader: JournalReader, queue_id: int, codec: ItemCodec) -> None:
        self._reader = reader
        self._codec = codec
        self._rest = IdRange(item_id_of(queue_id, 1), item_id_of(queue_id, ITEMS_PER_QUEUE_MAX))
        self._recent: OrderedDict[int, Sequence[Any]] = OrderedDict()

    def more(self) -> list[Slice]:
        """Return those that were not returned before, a page at a time; none if there are none yet.

        Raises:
            JournalError: They cannot be read.
        """
        page = self._reader.page(self._rest)
        if page:
            self._rest = IdRange(page[-1].ids.last + 1, self._rest.last)
        return page

    def values(self, part: Slice) -> Iterator[Any]:
        """Return the values of a slice.

        Raises:
            ItemNotReadable: One cannot be decoded here.
        """
        number, payloads = decoded(part.block)
        if number == VALUE:
            yield from payloads[part.start : part.stop]
            return
        for n in range(part.start, part.stop):
            yield self._codec.decode(part.first_id + n, number, payloads[n])

    def value(self, result_id: int) -> Any:
        """Return one result by its id; neighbours are cheaper than others.

        Raises:
            ItemNotReadable: It cannot be decoded here.
        """
        for first_id in reversed(self._recent):
            values = self._recent[first_id]
            if 0 <= result_id - first_id < len(values):
                return values[result_id - first_id]
        return self._read(result_id)

    def _read(self, result_id: int) -> Any:
        [part] = self._reader.page(IdRange(result_id, result_id))
        whole = part._replace(start=0, stop=part.block.count)
        values = self._recent[part.first_id] = [*self.values(whole)]
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        return values[result_id - part.first_id]


def results_of(site: Site, load: int | None, codec: ItemCodec, *, ordered: bool) -> Iterator[Any]:
    """Yield the results that a load has kept.

    Args:
        site: Its journal.
        load: Its number; None for the one that the next start carries on, or else the latest.
        codec: Decodes them.
        ordered: Whether they come in the order of the inputs that they were made of.

    Raises:
        JournalError: The journal is not there, or cannot be read.
        UsageError: There is no such load, it keeps no results, or has given them up.
    """
    with closing(open_reader(site)) as reader:
        view = reader.view(load)
        results = Results(reader, kept_in(view).queue_id, codec)
        if ordered:
            from persistq.pipeline.inorder import in_order_of_inputs

            yield from in_order_of_inputs(reader, view, results)
            return
        while page := results.more():
            for part in page:
                yield from results.values(part)


def kept_in(view: JournalView) -> QueueRow:
    """Return where the results of a load are kept.

    Raises:
        UsageError: They are not.
    """
    if view.load is None:
        raise UsageError(f"{view.name!r} has no load yet: run() begins one")
    load = f"load {view.load.load_id} of {view.name!r}"
    if view.results is None:
        raise UsageError(
            f"{load} keeps no results: say @pipeline.stage(keep_results=True) at its last stage"
        )
    if view.load.purged_at is not None:
        raise UsageError(
            f"{load} has given up its items, and its results with them: set keep_loads to keep more"
        )
    return view.results
