"""Many rows into a table with one call, in the fastest form that the target's driver has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from persistq.errors import UsageError

_TABLE: Final = re.compile(r"\w+(\.\w+)?")
_COLUMN: Final = re.compile(r"\w+")

Row = Sequence[Any] | Mapping[str, Any]


def copy_into(
    conn: Any, table: str, rows: Iterable[Row], columns: Sequence[str] | None = None
) -> None:
    """Insert rows into a table: by `COPY` with psycopg, by `executemany` everywhere else.

    `COPY` has nothing to return, and rules and `ON CONFLICT` are not for it.

    Crash: as what else is in the handler's transaction: all of it is committed, or nothing.

    Args:
        conn: What the handler gets: a connection of SQLAlchemy, of psycopg or of sqlite3.
        table: Its name, as it would stand in SQL without quotes; `schema.table` names both.
        rows: Sequences of values, or mappings, which all have the keys of the first.
        columns: Names of the columns; by default the keys of the first mapping, or all of the
            table in its own order.

    Raises:
        UsageError: A name is none, or mappings are given with nothing in them.
        Exception: What the driver raises if the database refuses a row.
    """
    values = iter(rows)
    if (first := next(values, None)) is None:
        return
    names = [*first] if columns is None and isinstance(first, Mapping) else columns
    into = _into(table, names)
    tuples = _tuples(first, values, names)
    cursor = getattr(conn, "connection", conn).cursor()
    try:
        if hasattr(cursor, "copy"):
            _copy(cursor, into, tuples)
        else:
            _insert(conn, cursor, into, tuples)
    finally:
        cursor.close()


def _into(table: str, names: Sequence[str] | None) -> str:
    """Return the table with its columns, as it stands in SQL.

    Raises:
        UsageError: A name is none.
    """
    if not _TABLE.fullmatch(table):
        raise UsageError(f"table {table!r}: give its name, or schema.name, without quotes")
    if names is None:
        return table
    if not names or not all(_COLUMN.fullmatch(name) for name in names):
        raise UsageError(f"columns {[*names]}: give names of letters, digits and underscores")
    return f"{table} ({', '.join(names)})"


def _tuples(
    first: Row, others: Iterator[Row], names: Sequence[str] | None
) -> Iterator[tuple[Any, ...]]:
    yield _tuple(first, names)
    for row in others:
        yield _tuple(row, names)


def _tuple(row: Row, names: Sequence[str] | None) -> tuple[Any, ...]:
    if isinstance(row, Mapping):
        return tuple(row[name] for name in names or row)
    return tuple(row)


def _copy(cursor: Any, into: str, rows: Iterator[tuple[Any, ...]]) -> None:
    with cursor.copy(f"COPY {into} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _insert(conn: Any, cursor: Any, into: str, rows: Iterator[tuple[Any, ...]]) -> None:
    many = [*rows]
    dialect = getattr(conn, "dialect", None)
    mark = "%s" if dialect is not None and dialect.paramstyle.endswith("format") else "?"
    marks = ", ".join([mark] * len(many[0]))
    sql = f"INSERT INTO {into} VALUES ({marks})"  # noqa: S608 - names are checked, the rest is marks
    if dialect is None:
        cursor.executemany(sql, many)
    else:
        # So that what is raised is SQLAlchemy's, whichever driver it is.
        conn.exec_driver_sql(sql, many)
