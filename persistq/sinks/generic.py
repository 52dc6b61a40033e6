"""Receipts in whatever SQL a dialect of SQLAlchemy has.

What is there is looked for first and the rest inserted, so two who store the same item at once are
told apart by the primary key: the second one's transaction fails, and finds the receipt when it is
tried again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Final

from sqlalchemy import BigInteger, Column, MetaData, String, Table, Text, delete, insert, select
from sqlalchemy.dialects import mysql, oracle
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable

from persistq.sinks.receipts import (
    PURGED_AT_ONCE,
    Key,
    Receipt,
    ReceiptTaken,
    as_texts,
    by_run,
    decoded,
)
from persistq.sinks.statements import TABLE, qualified
from persistq.sinks.target import Session

_COLUMNS: Final = ("run", "item", "outputs", "files")

_NUMBER: Final = oracle.NUMBER(precision=19)  # type: ignore[no-untyped-call]


class GenericReceipts:
    """Receipts through SQLAlchemy Core.

    Args:
        schema: Where the table is; None leaves that to the connection.

    Raises:
        UsageError: The schema's name is none.
    """

    def __init__(self, schema: str | None) -> None:
        qualified(schema)
        self._schema = schema

    @cached_property
    def table(self) -> Table:
        """The table of receipts."""
        # A `TEXT` of MySQL ends after 64 kB; Oracle's is a CLOB by itself.
        text = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
        item = BigInteger().with_variant(_NUMBER, "oracle")
        return Table(
            TABLE,
            MetaData(schema=self._schema),
            Column("run", String(32), primary_key=True),
            Column("item", item, primary_key=True, autoincrement=False),
            Column("outputs", text),
            Column("files", text),
        )

    def create(self, session: Session) -> None:
        """Make the table, unless it is there."""
        self.table.create(session.connection, checkfirst=True)

    def look(self, session: Session) -> None:
        """Raise if the table is missing, or is another."""
        columns = self.table.c
        nothing = select(*(columns[name] for name in _COLUMNS)).where(columns.item < 0)
        session.connection.execute(nothing).all()

    def find(self, session: Session, keys: Iterable[Key]) -> dict[Key, Receipt]:
        """Return those of the items that are stored."""
        found = {}
        columns = self.table.c
        for run, items in by_run(keys):
            wanted = select(columns.item, columns.outputs, columns.files).where(
                columns.run == run, columns.item.in_(items)
            )
            for item, outputs, files in session.connection.execute(wanted):
                found[Key(run, item)] = Receipt(decoded(outputs), files)
        return found

    def add(self, session: Session, receipts: Mapping[Key, Receipt]) -> None:
        """Write the receipts of items that are stored in this transaction."""
        rows = [
            dict(zip(_COLUMNS, (*key, *as_texts(receipts[key])), strict=True))
            for key in sorted(receipts)
        ]
        try:
            session.connection.execute(insert(self.table), rows)
        except IntegrityError as error:
            raise ReceiptTaken from error

    def purge(self, session: Session, run: str, first: int, last: int) -> int:
        """Delete receipts that nobody will ask for."""
        columns = self.table.c
        wanted = delete(self.table).where(columns.run == run, columns.item.between(first, last))
        return int(session.connection.execute(wanted).rowcount)

    def purge_some(self, session: Session, run: str) -> int:
        """Delete some receipts of a run whose load is settled."""
        columns = self.table.c
        some = select(columns.item).where(columns.run == run).order_by(columns.item)
        items = session.connection.scalars(some.limit(PURGED_AT_ONCE)).all()
        return self.purge(session, run, items[0], items[-1]) if items else 0

    def ddl(self, dialect: str) -> str:
        """Return what makes the table, in a dialect's SQL.

        Raises:
            sqlalchemy.exc.NoSuchModuleError: There is no such dialect.
        """
        from sqlalchemy.dialects import registry

        kind = registry.load(dialect)
        return str(CreateTable(self.table).compile(dialect=kind())).strip()
