"""One SQLAlchemy construct of a statement, and how it becomes text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

if TYPE_CHECKING:
    from sqlalchemy.sql import ClauseElement

_DIALECT = SQLiteDialect_pysqlite(paramstyle="qmark")


class Construct:
    """An insert, update, delete, select or DDL construct, compiled for the SQLite driver.

    Args:
        construct: The construct.
        columns: The columns that an insert or update sets from parameters of the same names.
        bulk: Whether it inserts many rows at a time.

    Attributes:
        text: What the driver executes.
        names: The parameters in the order of their question marks.
        constants: Those that the construct gives a value.
        bulk: As given.
    """

    __slots__ = ("bulk", "constants", "names", "text")

    def __init__(self, construct: ClauseElement, *columns: str, bulk: bool = False) -> None:
        options: dict[str, Any] = {"column_keys": columns} if columns else {}
        compiled = construct.compile(dialect=_DIALECT, **options)
        lines = str(compiled).strip().expandtabs(4).splitlines()
        self.text = "\n".join(line.rstrip() for line in lines)
        self.names: tuple[str, ...] = tuple(getattr(compiled, "positiontup", None) or ())
        binds = getattr(compiled, "bind_names", {})
        self.constants = {name: bind.value for bind, name in binds.items() if not bind.required}
        self.bulk = bulk
