"""Compiles all statements of a journal ahead of time.

``python -m persistq.journal.compiling > persistq/journal/statements.py``

SQLAlchemy takes longer to import than everything else that a broker or a command needs. They find
the statements as text, so that only who changes one, and migrations, has to wait for it.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator

from sqlalchemy import Table
from sqlalchemy.schema import CreateIndex, CreateTable

from persistq.journal import changes, queries, schema
from persistq.journal.construct import Construct

HEADER = '''\
"""The statements of a journal; made by `persistq.journal.compiling`, not by hand."""

from __future__ import annotations

from typing import Final

from persistq.journal.statement import Bulk, Statement
'''


def module() -> str:
    """Return the source of the module `persistq.journal.statements`."""
    parts = [HEADER, _schema()]
    for place in (queries, changes):
        constructs = {name: it for name, it in vars(place).items() if isinstance(it, Construct)}
        parts += [_constant(name, construct) for name, construct in constructs.items()]
    return "\n".join(parts)


def _schema() -> str:
    tables = (*schema.metadata.sorted_tables, schema.alembic_version)
    made = [text for table in tables for text in _creations(table)]
    literals = "".join(f"    {_literal(text, 4)},\n" for text in made)
    return f"SCHEMA: Final = (\n{literals})\n"


def _creations(table: Table) -> Iterator[str]:
    yield Construct(CreateTable(table)).text
    for index in table.indexes:
        yield Construct(CreateIndex(index)).text


def _constant(name: str, construct: Construct) -> str:
    arguments = [_literal(construct.text, 4)]
    if construct.names:
        arguments.append(f'"{" ".join(construct.names)}"')
    if construct.constants:
        pairs = (f'"{key}": {_value(value)}' for key, value in construct.constants.items())
        arguments.append(f"{{{', '.join(pairs)}}}")
    lines = "".join(f"    {argument},\n" for argument in arguments)
    statement = f"Statement(\n{lines})"
    if construct.bulk:
        statement = f"Bulk(\n    Statement(\n{textwrap.indent(lines, '    ')}    )\n)"
    return f"{name}: Final = {statement}\n"


def _literal(text: str, indent: int) -> str:
    if "\n" not in text:
        return f'"{text}"'
    margin = " " * indent
    return f'"""\n{textwrap.indent(textwrap.dedent(text), margin)}\n{margin}"""'


def _value(value: object) -> str:
    assert value is None or isinstance(value, str | int), value
    return f'"{value}"' if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    sys.stdout.write(module())
