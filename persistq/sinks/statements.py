"""The table of receipts, and what is asked of it, in the SQL of SQLite and of PostgreSQL.

Parameters are named, ``:run``. Many ids, or rows, travel as one text, so a statement is the same
for one item as for five hundred, and for every driver.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from persistq.errors import UsageError

TABLE: Final = "persistq_receipt"

_IDENTIFIER: Final = re.compile(r"\w+")

_SQLITE_TABLE: Final = """\
CREATE TABLE IF NOT EXISTS {table} (
    run TEXT NOT NULL,
    item INTEGER NOT NULL,
    outputs TEXT,
    files TEXT,
    PRIMARY KEY (run, item)
) WITHOUT ROWID"""

_POSTGRESQL_TABLE: Final = """\
CREATE TABLE IF NOT EXISTS {table} (
    run uuid NOT NULL,
    item bigint NOT NULL,
    outputs text,
    files text,
    PRIMARY KEY (run, item)
)"""

_SQLITE_FIND: Final = """\
SELECT item, outputs, files FROM {table}
WHERE run = :run AND item IN (SELECT value FROM json_each(:items))"""

_POSTGRESQL_FIND: Final = """\
SELECT item, outputs, files FROM {table}
WHERE run = CAST(:run AS uuid)
AND item = ANY (ARRAY(
    SELECT CAST(one AS bigint) FROM json_array_elements_text(CAST(:items AS json)) one))
UNION ALL SELECT NULL, set_config('persistq.transaction', 'ours', true), NULL"""

_SQLITE_ADD: Final = """\
INSERT INTO {table} (run, item, outputs, files)
SELECT :run, json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
FROM json_each(:rows) WHERE true
ON CONFLICT DO NOTHING"""

_POSTGRESQL_ADD: Final = """\
INSERT INTO {table} (run, item, outputs, files)
SELECT CAST(:run AS uuid), CAST(one ->> 0 AS bigint), one ->> 1, one ->> 2
FROM json_array_elements(CAST(:rows AS json)) one
WHERE current_setting('persistq.transaction', true) = 'ours'
ON CONFLICT DO NOTHING"""

_POSTGRESQL_SAME: Final = "SELECT current_setting('persistq.transaction', true) = 'ours'"

_SOME: Final = """
AND item <= COALESCE(
    (SELECT item FROM {table} WHERE run = {run} ORDER BY item LIMIT 1 OFFSET :most),
    9223372036854775807)"""


@dataclass(frozen=True, slots=True)
class Statements:
    """SQL for one table of receipts.

    Attributes:
        create: Makes the table, unless it is there.
        look: Succeeds if it is there and has the right columns; returns nothing.
        find: Items, outputs and files of those of ``:items``, a JSON array, that ``:run`` has
            stored; rows without an item mean nothing.
        add: Stores ``:rows``, a JSON array of triples of item, outputs and files; passes over
            those that are there, so the number of rows that it counts says whether all were new.
            It stores nothing in another transaction than ``find`` was called in.
        same: Whether this is still the transaction that ``find`` was called in.
        purge: Deletes those of ``:run`` from ``:first`` to ``:last``.
        purge_run: Deletes about ``:most`` of ``:run``, from the smallest on.
    """

    create: str
    look: str
    find: str
    add: str
    same: str
    purge: str
    purge_run: str


def statements_for(dialect: str, schema: str | None) -> Statements | None:
    """Return the statements of a dialect, or None if it has none of its own here.

    Args:
        dialect: As SQLAlchemy calls it.
        schema: Where the table is; None leaves that to the connection.

    Raises:
        UsageError: The schema's name is none.
    """
    table = qualified(schema)
    match dialect:
        case "sqlite":
            # That of SQLite is watched by a savepoint around it.
            texts = (_SQLITE_TABLE, _SQLITE_FIND, _SQLITE_ADD, "SELECT 1")
            run = ":run"
        case "postgresql":
            texts = (_POSTGRESQL_TABLE, _POSTGRESQL_FIND, _POSTGRESQL_ADD, _POSTGRESQL_SAME)
            run = "CAST(:run AS uuid)"
        case _:
            return None
    create, find, add, same = (text.replace("{table}", table) for text in texts)
    delete = f"DELETE FROM {table} WHERE run = {run}"  # noqa: S608 - made of names that are checked
    return Statements(
        create=create,
        look=f"SELECT run, item, outputs, files FROM {table} WHERE 1 = 0",  # noqa: S608 - as above
        find=find,
        add=add,
        same=same,
        purge=f"{delete} AND item BETWEEN :first AND :last",
        purge_run=delete + _SOME.replace("{table}", table).replace("{run}", run),
    )


def qualified(schema: str | None) -> str:
    """Return the table's name with its schema.

    Raises:
        UsageError: The schema's name is none.
    """
    if schema is None:
        return TABLE
    if not _IDENTIFIER.fullmatch(schema):
        raise UsageError(f"schema {schema!r}: give a name of letters, digits and underscores")
    return f'"{schema}".{TABLE}'
