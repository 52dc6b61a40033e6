"""Pages of a journal's items: slices of the blocks that hold them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from persistq.blocks import Block, Slice, whole
from persistq.errors import JournalCorrupt
from persistq.items import ITEMS_PER_QUEUE_MAX, IdRange, item_id_of, number_of, queue_of
from persistq.journal import queries

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator, Iterator

SPOOL_SHIFT: Final = 36
"""``place = spool_id << SPOOL_SHIFT | n``, where n outputs of the spool lie before the block."""

_OUTPUTS_PER_SPOOL_MAX: Final = (1 << SPOOL_SHIFT) - 1


def queue_range(queue_id: int) -> tuple[int, int]:
    """Return ``after_id`` and ``last_id`` that enclose all items of a queue."""
    return item_id_of(queue_id, 0), item_id_of(queue_id, ITEMS_PER_QUEUE_MAX)


class Pages:
    """Reads slices of blocks, in the order of their ids, and lets go of the file with each page.

    Bounds are ``after_id`` and ``last_id``: the first is excluded, the last included. A page is as
    of one moment if nobody writes meanwhile, or if its caller holds a snapshot. The bytes of a
    block are not looked at: they may be damaged.

    Args:
        connection: A connection to the journal.
        path: Where it is, for messages.
    """

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path

    def put(self, bounds: tuple[int, int], limit: int, bytes_max: int) -> list[Slice]:
        """Return items, finished or not, up to a number of items and about one of bytes.

        Raises:
            JournalCorrupt: The items are not there; the same for all pages.
        """
        after_id, last_id = bounds
        with closing(self._blocks(IdRange(after_id + 1, last_id))) as parts:
            return _up_to(parts, limit, bytes_max)

    def outstanding(self, bounds: tuple[int, int], limit: int, bytes_max: int) -> list[Slice]:
        """Return items that are neither done, dropped nor parked."""
        with closing(self._of_each(self.gaps(*bounds))) as parts:
            return _up_to(parts, limit, bytes_max)

    def parked(self, bounds: tuple[int, int], limit: int, bytes_max: int) -> list[Slice]:
        """Return parked items."""
        with closing(self._of_each(self._parked(*bounds))) as parts:
            return _up_to(parts, limit, bytes_max)

    def item(self, item_id: int) -> Slice | None:
        """Return one item; None where there is none, or where it was given up."""
        page = self.put((item_id - 1, item_id), 1, 1)
        return page[0] if page else None

    # --- which ids ---

    def gaps(self, after_id: int, last_id: int) -> Generator[IdRange, None, None]:
        """Return the ids between those that have ended or are parked; bounds as for pages."""
        position = after_id + 1
        for first, last in self._rows(queries.ENDED, after_id=after_id, last_id=last_id):
            if first > position:
                yield IdRange(position, first - 1)
            if last >= position:
                position = last + 1
        if position <= last_id:
            yield IdRange(position, last_id)

    def _parked(self, after_id: int, last_id: int) -> Generator[IdRange, None, None]:
        for (item_id,) in self._rows(queries.PARKED_IDS, after_id=after_id, last_id=last_id):
            yield IdRange(item_id, item_id)

    # --- where they lie ---

    def _of_each(self, ranges: Generator[IdRange, None, None]) -> Generator[Slice, None, None]:
        """Return the items of ranges, with one look for all those that lie in one block."""
        block: Block | None = None
        start = behind = 0
        with closing(ranges):
            for first, last in ranges:
                if block is not None and first < behind:
                    yield Slice(start, block, first - start, min(last + 1, behind) - start)
                    first = behind  # noqa: PLW2901 - the rest of it lies there
                if first > last:
                    continue
                for part in self._blocks(IdRange(first, last)):
                    start, block = part.first_id, part.block
                    behind = start + block.count
                    yield part

    def _blocks(self, ids: IdRange) -> Generator[Slice, None, None]:
        """Return all of the items with these ids.

        Raises:
            JournalCorrupt: One is missing, or there twice.
        """
        expected, last = ids
        for part in self._stored(ids):
            first = max(part.ids.first, ids.first)
            if first != expected and not _begins(part.ids.first, expected):
                self._require_given_up(expected)
            if part.ids.last >= first:
                expected = min(part.ids.last, last) + 1
                yield part.within(first, expected - 1)
        if expected <= last:
            self._require_given_up(expected)

    def _stored(self, ids: IdRange) -> Iterator[Slice]:
        """Return the blocks that hold items with these ids, and perhaps the one before them."""
        for first_id, count, codec, data, crc, rank, spool_id in self._rows(
            queries.BLOCKS, first_id=ids.first, last_id=ids.last
        ):
            if spool_id is None:
                yield whole(first_id, Block(count, codec, data, crc, None, rank))
            else:
                yield from self._spooled(first_id, spool_id, ids, count)

    def _spooled(self, first_id: int, spool_id: int, ids: IdRange, count: int) -> Iterator[Slice]:
        start = min(max(ids.first - first_id, 0), count - 1)
        stop = min(ids.last - first_id, count - 1)
        base = spool_id << SPOOL_SHIFT
        for place, *columns in self._rows(
            queries.SPOOL_BLOCKS, first_place=base + start, last_place=base + stop
        ):
            if place >= base:
                yield whole(first_id + (place & _OUTPUTS_PER_SPOOL_MAX), Block(*columns))

    def _require_given_up(self, item_id: int) -> None:
        """Raise if an item should be there: it was put, and its load has not been purged."""
        queue_id = queue_of(item_id)
        for (put,) in self._rows(queries.LAST_PUT, of_queue=queue_id):
            if item_id <= item_id_of(queue_id, put):
                raise self._corrupt(item_id)

    def _rows(self, sql: str, **values: int) -> Iterator[tuple[Any, ...]]:
        # A statement that is not finished keeps its snapshot, and that stops the log's reuse.
        with closing(self._connection.execute(sql, values)) as rows:
            yield from rows

    def _corrupt(self, item_id: int) -> JournalCorrupt:
        reason = f"item {item_id} is not where it should be: restore a backup"
        return JournalCorrupt(self._path, reason)


def _begins(first_id: int, expected: int) -> bool:
    """Return whether a block is the first one of a later queue than the id that was expected."""
    return number_of(first_id) == 1 and queue_of(first_id) > queue_of(expected)


def _up_to(parts: Iterator[Slice], limit: int, bytes_max: int) -> list[Slice]:
    page: list[Slice] = []
    size, room = 0, limit
    while room > 0 and (size < bytes_max or not page) and (part := next(parts, None)) is not None:
        page.append(part.split(room)[0] if part.count > room else part)
        size += part.size
        room -= part.count
    return page
