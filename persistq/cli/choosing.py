"""Which journal a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistq.errors import JournalError, JournalMissing, UsageError
from persistq.journal.catalog import journal_path, journals
from persistq.journal.outstanding import JournalReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from persistq.journal.base import JournalView


def directory_of(journal: str | None) -> Path:
    """Return the absolute directory of journals.

    Args:
        journal: What was typed; None takes the setting.

    Raises:
        UsageError: It cannot be one.
    """
    from persistq import origin
    from persistq.settings import command_line, load_settings

    command_line(journal=journal)
    directory = origin.absolute(load_settings().journal)
    if directory.is_file():
        raise UsageError(
            f"{directory} is a file, and the setting journal is the directory of journals: "
            f"give {directory.parent}, and {directory.stem} as the name"
        )
    return directory


def every_view(directory: Path) -> Iterator[JournalView | JournalError]:
    """Look at a directory's journals, sorted by name; yield the error of an unreadable one."""
    for path in journals(directory):
        try:
            with JournalReader(path) as reader:
                yield reader.view()
        except JournalError as error:
            yield error


def last_activity(view: JournalView) -> datetime | None:
    """Return when the last run of a journal's latest load started; None if there is no load."""
    if view.run is not None:
        return view.run.started_at
    return view.load.created_at if view.load is not None else None


def reader_of(directory: Path, name: str | None) -> JournalReader:
    """Open the journal of a name; without one, that on which a run started last.

    Args:
        directory: The directory of journals.
        name: The load's name, or None.

    Raises:
        UsageError: It cannot be a name.
        JournalMissing: There is no such journal; the error lists those that there are.
        JournalError: It cannot be read.
    """
    path = _latest(directory) if name is None else journal_path(directory, name)
    try:
        return JournalReader(path)
    except JournalMissing as error:
        raise JournalMissing(
            error.path, f"there is no journal here; {_present(directory)}"
        ) from None


def _latest(directory: Path) -> Path:
    from pathlib import Path

    views = [view for view in every_view(directory) if not isinstance(view, JournalError)]
    dated = [(start, view) for view in views if (start := last_activity(view)) is not None]
    if not dated:
        raise JournalMissing(str(directory), _present(directory))
    return Path(max(dated, key=lambda pair: pair[0])[1].path)


def _present(directory: Path) -> str:
    if not directory.is_dir():
        return (
            "the directory does not exist: go to where the program was started, or give --journal"
        )
    names = ", ".join(path.stem for path in journals(directory))
    return f"there are: {names}" if names else "the directory holds none"
