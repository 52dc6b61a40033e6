"""``persistq sink``: what a database needs for storing items, and what is left of that."""

from __future__ import annotations

from typing import Final

import click

from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import journal_option, required_name
from persistq.cli.output import note
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


@command.command("purge", short_help="Delete receipts that loads have left.")
@required_name
@click.argument("url")
@click.option("--schema", metavar="NAME", help="The schema that the sink names.")
@click.option(
    "--load",
    "loads",
    type=click.IntRange(min=1),
    metavar="N",
    multiple=True,
    help="This load, and none but those that are named so.",
)
@click.option("--abandoned", is_flag=True, help="Abandoned loads will not be carried on.")
@journal_option
def purge(
    *,
    name: str,
    url: str,
    schema: str | None,
    loads: tuple[int, ...],
    abandoned: bool,
    journal: str | None,
) -> None:
    """Delete the receipts that ended loads of NAME have left in the database at URL.

    A load deletes its receipts at its end, unless it is killed just then, was abandoned, or has
    used item.transaction(). Those of parked items stay, because they may be retried; so do those
    of outstanding items of an abandoned load, unless --abandoned says that nobody will carry it on.

    \b
    Example:
      $ persistq sink purge sales sqlite:///warehouse.sqlite
    """  # noqa: D301 - \b is click's mark for lines to keep
    from persistq.pipeline.clearing import clear_receipts
    from persistq.sinks import Sink
    from persistq.sinks.checking import check, require_file

    sink = Sink(url, schema)
    with reader_of(directory_of(journal, name), name) as reader:
        known = [load.load_id for load in reader.loads()]
        if unknown := set(loads) - set(known):
            raise UsageError(f"there is no load {min(unknown)} in {name}")
        require_file(sink)
        check(sink)
        count = clear_receipts(reader, sink, loads or known, abandoned=abandoned)
    note(f"{name}: receipts deleted in {sink}: {count:,}")


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
