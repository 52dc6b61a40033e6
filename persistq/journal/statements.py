"""SQLAlchemy Core constructs, compiled once into text for the SQLite driver.

Executing text on the driver's own connection is about four times as fast as going through
SQLAlchemy's, and leaves one owner for the transaction.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Table
    from sqlalchemy.sql import ClauseElement

    Row = tuple[Any, ...]

_DIALECT = SQLiteDialect_pysqlite(paramstyle="qmark")


class Statement:
    """One construct as text with question marks.

    Attributes:
        text: What the driver executes.
        names: The parameters in the order of their question marks.
    """

    __slots__ = ("_constants", "names", "text")

    def __init__(self, construct: ClauseElement, *columns: str) -> None:
        """Compile a construct.

        Args:
            construct: An insert, update, delete, select or DDL construct.
            columns: The columns that an insert or update sets from parameters of the same names.
        """
        options: dict[str, Any] = {"column_keys": columns} if columns else {}
        compiled = construct.compile(dialect=_DIALECT, **options)
        self.text = str(compiled)
        self.names: tuple[str, ...] = tuple(getattr(compiled, "positiontup", None) or ())
        binds = getattr(compiled, "bind_names", {})
        self._constants = {name: bind.value for bind, name in binds.items() if not bind.required}

    def values(self, **values: Any) -> tuple[Any, ...]:
        """Return the parameters in order, constants of the construct filled in."""
        known = self._constants | values
        return tuple(known[name] for name in self.names)


class Bulk:
    """Inserts many rows, a hundred with each execution: half the time of one by one.

    Attributes:
        one: Inserts one row.
        wide: Inserts `WIDTH` rows.
    """

    WIDTH = 100

    __slots__ = ("one", "wide")

    def __init__(self, table: Table, *columns: str) -> None:
        """Compile the insert.

        Args:
            table: Where the rows go.
            columns: The columns in the order of a row.
        """
        self.one = Statement(insert(table), *columns)
        row = dict.fromkeys(columns)
        self.wide = Statement(insert(table).values([row] * self.WIDTH))

    def split(self, rows: Sequence[Row]) -> tuple[Iterator[list[Any]], Sequence[Row]]:
        """Return the parameters for `wide`, and the rows that are left for `one`."""
        whole = len(rows) - len(rows) % self.WIDTH
        wide = (
            list(chain.from_iterable(rows[start : start + self.WIDTH]))
            for start in range(0, whole, self.WIDTH)
        )
        return wide, rows[whole:]
