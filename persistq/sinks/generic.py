"""Receipts in whatever SQL a dialect of SQLAlchemy has.

There is a row for each item, because a primary key is the one constraint that all databases have.
What is there is looked for first and the rest inserted, so two who store the same item at once are
told apart by it: the second one's transaction fails, and finds the receipt when it is tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    MetaData,
    String,
    Table,
    Text,
    and_,
    delete,
    insert,
    select,
)
from sqlalchemy.dialects import mysql, oracle
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable

from persistq.sinks.receipts import (
    PURGED_AT_ONCE,
    Key,
    Receipt,
    ReceiptTaken,
    by_run,
    decoded,
    encoded,
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

    def find(self, session: Session, keys: Sequence[Key]) -> dict[Key, Receipt]:
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

    def add(
        self,
        session: Session,
        keys: Sequence[Key],
        outputs: Sequence[bytes | None],
        files: str | None = None,
    ) -> None:
        """Write the receipts of items that are stored in this transaction."""
        texts = map(encoded, outputs)
        rows = [
            dict(zip(_COLUMNS, (*key, text, None), strict=True))
            for key, text in sorted(zip(keys, texts, strict=True))
        ]
        rows[0]["files"] = files
        try:
            session.connection.execute(insert(self.table), rows)
        except IntegrityError as error:
            raise ReceiptTaken from error

    def purge_some(self, session: Session, run: str, first: int, last: int) -> int:
        """Delete some rows that nobody will ask for."""
        columns = self.table.c
        wanted = and_(columns.run == run, columns.item.between(first, last))
        some = select(columns.item).where(wanted).order_by(columns.item).limit(PURGED_AT_ONCE)
        items = session.connection.scalars(some).all()
        if items:
            step = wanted & (columns.item <= items[-1])
            session.connection.execute(delete(self.table).where(step))
        return len(items)

    def ddl(self, dialect: str) -> str:
        """Return what makes the table, in a dialect's SQL.

        Raises:
            sqlalchemy.exc.NoSuchModuleError: There is no such dialect.
        """
        from sqlalchemy.dialects import registry

        kind = registry.load(dialect)
        return str(CreateTable(self.table).compile(dialect=kind())).strip()
