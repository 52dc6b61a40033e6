"""The table of receipts, and what is asked of it, in the SQL of SQLite and of PostgreSQL.

Parameters are named, ``:run``. Many ids, or rows, travel as one text, so a statement is the same
for one item as for five hundred, and for every driver.

A row is the receipt of items with consecutive ids, that one run has put. No two rows overlap, also
if two transactions write at the same moment: SQLite has one writer at a time, who looks for others
in the statement that inserts; PostgreSQL has an exclusion constraint. Run and ids are one number in
it, ``span``, because equality within such a constraint would need an extension.

So rows are found by their first ids. What covers an id, if anything, is the last row that does not
begin behind it.
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
    first_item INTEGER NOT NULL,
    last_item INTEGER NOT NULL,
    outputs TEXT,
    files TEXT,
    PRIMARY KEY (run, first_item)
) WITHOUT ROWID"""

_POSTGRESQL_TABLE: Final = """\
CREATE TABLE IF NOT EXISTS {table} (
    run uuid NOT NULL,
    first_item bigint NOT NULL,
    last_item bigint NOT NULL,
    outputs text,
    files text,
    span numrange NOT NULL,
    PRIMARY KEY (run, first_item),
    EXCLUDE USING gist (span WITH &&)
)"""

_SQLITE_FIND: Final = """\
SELECT r.first_item, r.last_item, r.outputs, r.files
FROM json_each(:spans) AS s CROSS JOIN {table} AS r
WHERE r.run = :run
AND r.first_item BETWEEN COALESCE(
    (SELECT max(first_item) FROM {table}
     WHERE run = :run AND first_item <= json_extract(s.value, '$[0]')),
    json_extract(s.value, '$[0]')) AND json_extract(s.value, '$[1]')
AND r.last_item >= json_extract(s.value, '$[0]')"""

_POSTGRESQL_FIND: Final = """\
SELECT r.first_item, r.last_item, r.outputs, r.files
FROM json_array_elements(CAST(:spans AS json)) AS s (one), LATERAL (
    SELECT * FROM {table}
    WHERE run = CAST(:run AS uuid)
    AND first_item BETWEEN COALESCE(
        (SELECT max(first_item) FROM {table}
         WHERE run = CAST(:run AS uuid) AND first_item <= CAST(one ->> 0 AS bigint)),
        CAST(one ->> 0 AS bigint)) AND CAST(one ->> 1 AS bigint)
    AND last_item >= CAST(one ->> 0 AS bigint)) AS r
UNION ALL SELECT NULL, NULL, set_config('persistq.transaction', 'ours', true), NULL"""

_SQLITE_ADD: Final = """\
INSERT INTO {table} (run, first_item, last_item, outputs, files)
SELECT :run, json_extract(value, '$[0]'), json_extract(value, '$[1]'),
    json_extract(value, '$[2]'), json_extract(value, '$[3]')
FROM json_each(:rows)
WHERE COALESCE(
    (SELECT last_item FROM {table}
     WHERE run = :run AND first_item <= json_extract(value, '$[1]')
     ORDER BY first_item DESC LIMIT 1),
    -1) < json_extract(value, '$[0]')"""

_POSTGRESQL_ADD: Final = """\
INSERT INTO {table} (run, first_item, last_item, outputs, files, span)
SELECT CAST(:run AS uuid), CAST(one ->> 0 AS bigint), CAST(one ->> 1 AS bigint),
    one ->> 2, one ->> 3, CAST(one ->> 4 AS numrange)
FROM json_array_elements(CAST(:rows AS json)) one
WHERE current_setting('persistq.transaction', true) = 'ours'
ON CONFLICT DO NOTHING"""

_POSTGRESQL_SAME: Final = "SELECT current_setting('persistq.transaction', true) = 'ours'"

# What reaches beyond the last id stays: it is the receipt of others too.
_PURGE: Final = """\
DELETE FROM {table}
WHERE run = {run} AND first_item BETWEEN :first AND :last AND last_item <= :last
AND first_item <= COALESCE(
    (SELECT first_item FROM {table} WHERE run = {run} AND first_item >= :first
     ORDER BY first_item LIMIT 1 OFFSET :most),
    :last)"""


@dataclass(frozen=True, slots=True)
class Statements:
    """SQL for one table of receipts.

    Attributes:
        create: Makes the table, unless it is there.
        look: Succeeds if it is there and has the right columns; returns nothing.
        find: First item, last item, outputs and files of what ``:run`` has stored of ``:spans``,
            a JSON array of pairs; rows without an item mean nothing.
        add: Stores ``:rows``, a JSON array of first item, last item, outputs, files and span;
            passes over those of which a part is there, so the number of rows that it counts says
            whether all were new. It stores nothing in another transaction than ``find`` was called
            in.
        same: Whether this is still the transaction that ``find`` was called in.
        purge: Deletes about ``:most`` of ``:run``, from the smallest on, of those that have no item
            outside ``:first`` to ``:last``.
    """

    create: str
    look: str
    find: str
    add: str
    same: str
    purge: str


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
    columns = "run, first_item, last_item, outputs, files"
    return Statements(
        create=create,
        look=f"SELECT {columns} FROM {table} WHERE 1 = 0",  # noqa: S608 - of names that are checked
        find=find,
        add=add,
        same=same,
        purge=_PURGE.replace("{table}", table).replace("{run}", run),
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
