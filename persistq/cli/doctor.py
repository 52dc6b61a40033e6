"""``persistq doctor``: whether persistq can work here, and what to do if not."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from persistq.cli.choosing import directory_of
from persistq.cli.examinations import EXAMINATIONS, Finding, Level
from persistq.cli.options import form_option, journal_option
from persistq.cli.output import (
    Column,
    Failing,
    Form,
    note,
    on_terminal,
    write_fields,
    write_rows,
    write_table,
)
from persistq.errors import JournalError, UsageError
from persistq.origin import absolute

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLUMNS: Final = (Column(""), Column(""), Column("", wrap=True))


@click.command("doctor", short_help="Find out what would keep persistq from working here.")
@form_option
@journal_option
def command(*, form: Form, journal: str | None) -> int:
    """Look at SQLite, the disk, rights, limits, the clock, and what dead runs have left.

    One line for each finding, with what to do: ok, note, warn, or bad if persistq cannot work like
    that. Exits with 4 if anything is bad, with 0 otherwise. Nothing is changed.

    \b
    Example:
      $ persistq doctor
    """  # noqa: D301 - \b is click's mark for lines to keep
    directory = _directory(journal)
    found = [*chain.from_iterable(examine(directory) for examine in EXAMINATIONS)]
    note(f"journals in {directory}")
    if form is not Form.PEOPLE:
        write_rows(form, {"directory": str(directory)}, "findings", map(_as_object, found))
    elif on_terminal():
        write_table(_COLUMNS, [*map(_row, found)], titles=False)
    else:
        write_fields(map(_row, found))
    return JournalError.exit_code if any(it.level is Level.BAD for it in found) else 0


def _directory(journal: str | None) -> Path:
    """Return the directory to look at, also if its rights or the settings are what is wrong."""
    try:
        return directory_of(journal)
    except JournalError as error:
        return Path(error.path)
    except UsageError:
        return absolute(journal or os.environ.get("PERSISTQ_JOURNAL") or ".persistq")


def _row(finding: Finding) -> Sequence[str]:
    level = finding.level.value
    marked = Failing(level) if finding.level in {Level.WARN, Level.BAD} else level
    return marked, finding.about, finding.text


def _as_object(finding: Finding) -> dict[str, Any]:
    return {"level": finding.level.value, "about": finding.about, "text": finding.text}
