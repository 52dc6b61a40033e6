"""``persistq backup``: a whole copy of a journal, also while a run is at work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from persistq.cli.choosing import directory_of, reader_of
from persistq.cli.options import journal_option, required_name
from persistq.cli.output import note
from persistq.cli.standing import sized
from persistq.errors import UsageError

if TYPE_CHECKING:
    from persistq.journal.view import JournalView


@click.command("backup", short_help="Copy a journal, also while a run is at work.")
@required_name
@click.argument("file")
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
@journal_option
def command(*, name: str, file: str, force: bool, journal: str | None) -> None:
    """Copy the journal of NAME to FILE: all that is committed at one moment, whole or not at all.

    A run may be at work and is not held up. Do not copy the files yourself meanwhile: what is
    committed last is in the log beside the journal.

    \b
    Example:
      $ persistq backup sales sales-copy.db
    """  # noqa: D301 - \b is click's mark for lines to keep
    from persistq.journal.backup import back_up
    from persistq.journal.faults import reported

    with reader_of(directory_of(journal, name), name) as reader:
        view = reader.view()
    copy = _target(Path(file), view, force=force)
    with reported(copy):
        back_up(Path(view.path), copy)
    note(f"copied {view.path} to {copy}, {sized(copy.stat().st_size)}")


def _target(file: Path, view: JournalView, *, force: bool) -> Path:
    """Return where the copy goes, if nothing is lost there.

    Raises:
        UsageError: Something is there, or nothing can be.
    """
    copy = file.absolute()
    if copy.is_dir():
        example = file / f"{view.name}.db"
        raise UsageError(f"{file} is a directory: give the copy a name, as in {example}")
    if not copy.parent.is_dir():
        raise UsageError(f"there is no directory {copy.parent}: make it first")
    if copy.exists() and copy.samefile(view.path):
        raise UsageError(f"{file} is the journal itself: choose another file")
    if copy.exists() and not force:
        raise UsageError(f"{file} is there already: choose another file, or say --force")
    log = Path(f"{copy}-wal")
    if log.exists():
        raise UsageError(
            f"{log} is there, and SQLite would mix it with the copy: choose another file"
        )
    return copy
