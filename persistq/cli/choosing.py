"""Which journal a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from persistq.errors import JournalError, JournalMissing, UsageError
from persistq.journal.opening import open_reader
from persistq.site import register
from persistq.site.finding import catalogue_of, site_of
from persistq.site.naming import journal_path
from persistq.site.places import home_directory, is_own, upwards
from persistq.text.suggestions import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from persistq.journal.reader import JournalReader
    from persistq.journal.view import JournalView
    from persistq.site.base import Site


_ELSEWHERE_SHOWN: Final = 5


def directory_of(journal: str | None, name: str | None = None) -> Path:
    """Return the absolute directory of journals.

    A relative setting is looked for in the current directory and above it, and a name also in the
    register of all directories of journals of this user. What was typed is taken as it is.

    Args:
        journal: What was typed; None takes the setting.
        name: The load that is wanted; None is any.

    Raises:
        UsageError: It cannot be one.
        JournalMissing: There are journals of this name in several places, and none here.
    """
    from pathlib import Path

    from persistq import origin
    from persistq.settings import command_line, load_settings

    command_line(journal=journal)
    setting = Path(load_settings().journal)
    directory = origin.absolute(str(setting))
    if directory.is_file():
        raise UsageError(
            f"{directory} is a file, and the setting journal is the directory of journals: "
            f"give {directory.parent}, and {directory.stem} as the name"
        )
    if journal is not None or setting.is_absolute() or _holds(directory, name):
        return directory
    return _searched(setting, name) or directory


def _searched(setting: Path, name: str | None) -> Path | None:
    """Return where else the journal of a name is, or any journal at all."""
    above = [directory for directory in _above(setting) if _holds(directory, name)]
    if above or name is None:
        return above[0] if above else None
    known = [directory for directory in register.known() if _holds(directory, name)]
    if len(known) > 1:
        places = ", ".join(map(str, known))
        raise JournalMissing(
            str(journal_path(setting.absolute(), name)),
            f"there is no journal here, but in several other places: {places}; say which, with "
            "--journal",
        )
    return known[0] if known else None


def _above(setting: Path) -> list[Path]:
    from pathlib import Path

    directories = (above / setting for above in upwards(Path.cwd(), home_directory()))
    return [directory.resolve() for directory in directories if is_own(directory)]


def _holds(directory: Path, name: str | None) -> bool:
    if name is not None:
        return journal_path(directory, name).is_file()
    return bool(catalogue_of(directory).sites())


def elsewhere(directory: Path) -> str:
    """Return which journals there are in other directories and how to reach them; empty for none.

    Args:
        directory: The directory that holds none of what was wanted.
    """
    others = other_directories(directory)
    named = [f"{other} ({_names(other)})" for other in others[:_ELSEWHERE_SHOWN]]
    if len(others) > len(named):
        named.append(f"and {len(others) - len(named)} more directories")
    return f"there are journals in {', '.join(named)}: give a name, or --journal" if named else ""


def other_directories(directory: Path) -> list[Path]:
    """Return the other directories where this user has journals."""
    return [other for other in register.known() if other != directory and _holds(other, None)]


def _names(directory: Path) -> str:
    return ", ".join(site.name for site in catalogue_of(directory).sites())


def every_view(directory: Path) -> Iterator[JournalView | JournalError]:
    """Look at a directory's journals, sorted by name; yield the error of an unreadable one."""
    for site in catalogue_of(directory).sites():
        try:
            with open_reader(site) as reader:
                yield reader.view()
        except JournalError as error:
            yield error


def latest_unfinished(directory: Path) -> JournalView | None:
    """Return the journal with an unfinished load on which a run started last.

    Files that are not journals, or cannot be read, are passed over.
    """
    views = (view for view in every_view(directory) if not isinstance(view, JournalError))
    dated = {last_activity(view): view for view in views if view.unfinished}
    return dated[max(filter(None, dated))] if dated else None


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
    site = _latest(directory) if name is None else catalogue_of(directory).site(name)
    try:
        return open_reader(site)
    except JournalMissing as error:
        raise JournalMissing(
            error.path, f"there is no journal here; {_meant(directory, name)}{_present(directory)}"
        ) from None


def require_any(directory: Path) -> None:
    """Refuse a directory without a journal.

    Raises:
        JournalMissing: There is none; the error says where there are others.
    """
    if not _holds(directory, None):
        raise JournalMissing(str(directory), _present(directory))


def _latest(directory: Path) -> Site:
    views = [view for view in every_view(directory) if not isinstance(view, JournalError)]
    dated = [(start, view) for view in views if (start := last_activity(view)) is not None]
    if not dated:
        raise JournalMissing(str(directory), _present(directory))
    return site_of(max(dated, key=lambda pair: pair[0])[1].path)


def _meant(directory: Path, name: str | None) -> str:
    names = [site.name for site in catalogue_of(directory).sites()]
    near = nearest(name, names) if name is not None else ""
    return f"did you mean {near}? " if near else ""


def _present(directory: Path) -> str:
    if names := _names(directory):
        return f"there are: {names}"
    if others := elsewhere(directory):
        return others
    if directory.is_dir():
        return "the directory holds none"
    return "the directory does not exist: go to where the program was started, or give --journal"
