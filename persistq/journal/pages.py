"""Pages of a log: which ids a queue has, and so many of its items as fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from persistq.items import (
    ITEMS_PER_QUEUE_MAX,
    Item,
    bytes_of,
    item_id_of,
    items_from,
    payload_of,
)

if TYPE_CHECKING:
    import sqlite3

    from persistq.journal.statement import Statement

_CHUNK_ROWS: Final = 1024


def queue_range(queue_id: int) -> tuple[int, int]:
    """Return ``after_id`` and ``last_id`` that enclose all items of a queue."""
    return item_id_of(queue_id, 0), item_id_of(queue_id, ITEMS_PER_QUEUE_MAX)


def read_page(
    connection: sqlite3.Connection,
    statement: Statement,
    bounds: tuple[int, int],
    most: int,
    bytes_max: int | None = None,
) -> list[Item]:
    """Read items of one page, and let go of the file again.

    Args:
        connection: A connection to the journal.
        statement: One of the ``*_PAGE`` statements.
        bounds: ``after_id`` and ``last_id``: first bound excluded, last included.
        most: Most items to return.
        bytes_max: Stop after the item that brings the payloads to this many bytes.
    """
    after_id, last_id = bounds
    values = statement.values(after_id=after_id, last_id=last_id, most=most)
    rows = connection.execute(statement.text, values)
    try:
        return list(items_from(rows)) if bytes_max is None else _up_to(rows, bytes_max)
    finally:
        # A statement that is not finished keeps its snapshot, and that stops the log's reuse.
        rows.close()


def _up_to(rows: sqlite3.Cursor, bytes_max: int) -> list[Item]:
    """Fetch in growing chunks that stay within the limit if items are like the last."""
    page: list[Item] = []
    size, largest, count = 0, 1, 1
    while size < bytes_max and (chunk := list(items_from(rows.fetchmany(count)))):
        page += chunk
        size += bytes_of(chunk)
        largest = max(largest, *map(len, map(payload_of, chunk)))
        count = max(1, min(count * 2, _CHUNK_ROWS, (bytes_max - size) // largest))
    return page
