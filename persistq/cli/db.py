"""``persistq db``: the version of a journal's tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from persistq.cli.choosing import directory_of, require_any
from persistq.cli.options import form_option, journal_option, name_argument
from persistq.cli.output import (
    Column,
    Form,
    note,
    on_terminal,
    write_fields,
    write_rows,
    write_table,
)
from persistq.errors import JournalBusy, JournalError, JournalMissing
from persistq.journal import marks
from persistq.journal.ground import examine
from persistq.site.finding import catalogue_of

if TYPE_CHECKING:
    from persistq.site.base import Site


_COLUMNS: Final = (Column("journal"), Column("version", right=True), Column("state", wrap=True))


class Version(NamedTuple):
    """The version of one journal.

    Attributes:
        site: Where the journal is.
        schema: Its version, or None where it cannot be used.
        state: ``current`` or ``older``, or why it cannot be used.
    """

    site: Site
    schema: int | None
    state: str


@click.group("db", short_help="Show or upgrade the version of journals.")
def command() -> None:
    """Show which version the tables of journals have, or bring them to the present one.

    A start upgrades its journal by itself, after it has made a backup; so this is for those who
    want to do it at another time.
    """


@command.command("current", short_help="Show the version of each journal.")
@name_argument
@form_option
@journal_option
def current(*, name: str | None, form: Form, journal: str | None) -> int:
    """Show the version of the tables of each journal of the directory, or of NAME alone.

    With tabs between name, version and state; the state is current, older, or why the journal
    cannot be used. Exits with 4 if one cannot.

    \b
    Example:
      $ persistq db current
    """  # noqa: D301 - \b is click's mark for lines to keep
    directory = directory_of(journal, name)
    versions = [*map(_version, _sites(directory, name))]
    note(f"this persistq writes version {marks.SCHEMA_VERSION}; journals in {directory}")
    if form is Form.PEOPLE and on_terminal() and versions:
        write_table(_COLUMNS, [*map(_fields, versions)])
    elif form is Form.PEOPLE:
        write_fields(map(_fields, versions))
    else:
        head = {"directory": str(directory), "version": marks.SCHEMA_VERSION}
        write_rows(form, head, "journals", map(_as_object, versions))
    bad = any(version.schema is None for version in versions)
    return JournalError.exit_code if bad else 0


@command.command("upgrade", short_help="Bring journals to the present version.")
@name_argument
@journal_option
def upgrade(*, name: str | None, journal: str | None) -> None:
    """Bring each journal of the directory, or NAME alone, to the present version of its tables.

    An older one is copied first, to a file beside it that ends with its old version and -backup. A
    journal that a run works on is refused, and so are those behind it in the alphabet.

    \b
    Example:
      $ persistq db upgrade sales
    """  # noqa: D301 - \b is click's mark for lines to keep
    for site in _sites(directory_of(journal, name), name):
        _, schema = examine(Path(site.journal))
        if schema == marks.SCHEMA_VERSION:
            note(f"{site.name} is current; journal {site.journal}")
        else:
            _upgrade(site)
            note(f"{site.name}: version {schema} became {marks.SCHEMA_VERSION}; {site.journal}")


def _upgrade(site: Site) -> None:
    """Upgrade one journal, as a start would.

    Crash: it is old or upgraded, never in between.

    Raises:
        JournalBusy: A run works on it.
    """
    from persistq.journal.sqlite import open_journal

    lock = site.lock()
    # The lock is the kernel's, and ends with this process.
    if not lock.acquire() or not lock.claim(0.0):
        holder = site.holder()
        pid, node = (holder.peer.pid, holder.peer.node) if holder is not None else (0, "this host")
        raise JournalBusy(site.journal, pid, node)
    lock.withdraw()
    open_journal(Path(site.journal)).close()


def _sites(directory: Path, name: str | None) -> list[Site]:
    if name is None:
        require_any(directory)
        return catalogue_of(directory).sites()
    site = catalogue_of(directory).site(name)
    if not Path(site.journal).exists():
        raise JournalMissing(site.journal, "there is no journal here")
    return [site]


def _version(site: Site) -> Version:
    try:
        _, schema = examine(Path(site.journal))
    except JournalError as error:
        return Version(site, None, error.reason)
    if schema is None:
        return Version(site, None, "the file is empty")
    return Version(site, schema, "current" if schema == marks.SCHEMA_VERSION else "older")


def _fields(version: Version) -> tuple[str, str, str]:
    schema = "-" if version.schema is None else str(version.schema)
    return version.site.name, schema, version.state


def _as_object(version: Version) -> dict[str, Any]:
    return {
        "name": version.site.name,
        "journal": version.site.journal,
        "schema": version.schema,
        "state": version.state,
    }
