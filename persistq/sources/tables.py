"""Rows of a database, page by page behind a key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from persistq.errors import UsageError
from persistq.put import Put


def table_rows(
    url: str, query: str, key: str, cursor: Any = None, *, start: Any = 0
) -> Iterator[Put]:
    """Yield each row that a query returns as a dict, in the order of a key.

    The query is run again behind the last row's key, until it returns nothing: each time in a
    transaction of its own, which lasts as long as one page.

    Example:
        >>> PAGE = '''
        ...     SELECT id, city, amount FROM sale WHERE id > :cursor
        ...     ORDER BY id LIMIT 1000'''
        >>> @pipeline.source                                    # doctest: +SKIP
        ... def sales(cursor):
        ...     return table_rows("postgresql+psycopg://me@db/shop", PAGE, "id", cursor)

    Args:
        url: The database, as SQLAlchemy understands it.
        query: SQL with ``:cursor`` in it, which orders by the key and returns some rows behind it.
        key: The column that the query compares and orders by. No two rows have the same one.
        cursor: The key of the last row that is not wanted again.
        start: What stands for the cursor at first: less than any key.

    Raises:
        UsageError: The query returns no such column, or a key twice: then rows may be missing.
    """
    from sqlalchemy import create_engine, text

    statement, behind = text(query), start if cursor is None else cursor
    engine = create_engine(url)
    try:
        while True:
            with engine.connect() as connection:
                page = connection.execute(statement, {"cursor": behind}).mappings().all()
            if not page:
                return
            for row in page:
                behind = _key_of(row, key, behind)
                yield Put(dict(row), cursor=behind)
    finally:
        engine.dispose()


def _key_of(row: Any, key: str, before: Any) -> Any:
    if key not in row:
        raise UsageError(f"the query returns no column {key!r}, only {', '.join(row)}")
    if row[key] == before:
        raise UsageError(
            f"two rows have the {key} {before!r}, or the query does not ask for rows behind "
            ":cursor: rows may be missing, so use a key that no two rows share"
        )
    return row[key]
