"""``persistq sink``: what a database needs before items are stored in it."""

from __future__ import annotations

from typing import Final

import click

from persistq.errors import UsageError

DIALECTS: Final = ("sqlite", "postgresql", "mysql", "mariadb", "mssql", "oracle")


@click.group("sink", short_help="Prepare a database that items are stored in.")
def command() -> None:
    """Prepare a database that items are stored in."""


@command.command("sql", short_help="Print the SQL of the table of receipts.")
@click.argument("url", required=False)
@click.option("--dialect", type=click.Choice(DIALECTS), help="Instead of a URL.")
@click.option("--schema", metavar="NAME", help="The schema that the sink names.")
def sql(*, url: str | None, dialect: str | None, schema: str | None) -> None:
    """Print the SQL that makes the table persistq_receipt, for who has the right to run it.

    A sink makes its table by itself if it may. If not, have this run once. Besides the table, a
    load needs the right to SELECT, INSERT and DELETE its rows. Nothing is connected to.

    \b
    Example:
      $ persistq sink sql --dialect postgresql --schema etl
    """  # noqa: D301 - \b is click's mark for lines to keep
    if (url is None) == (dialect is None):
        raise UsageError("give the sink's URL or --dialect")
    click.echo(f"{_table(dialect or _dialect_of(url or ''), schema)};")


def _table(dialect: str, schema: str | None) -> str:
    from persistq.sinks.statements import statements_for

    statements = statements_for(dialect, schema)
    if statements is not None:
        return statements.create
    from persistq.sinks.generic import GenericReceipts

    return GenericReceipts(schema).ddl(dialect)


def _dialect_of(url: str) -> str:
    """Return the dialect of a URL, for which its driver need not be there.

    Raises:
        UsageError: It is none, or of a dialect that nobody knows.
    """
    scheme, separator, _ = url.partition("://")
    dialect = scheme.partition("+")[0]
    if not separator or dialect not in DIALECTS:
        # What was typed may hold a password.
        raise UsageError(f"that is no URL of a database: it begins with one of {_known()}")
    return dialect


def _known() -> str:
    return ", ".join(f"{dialect}://" for dialect in DIALECTS)
