"""What ``persistq doctor`` looks at: each examination yields findings, and changes nothing."""

from __future__ import annotations

import enum
import os
import resource
import shutil
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from persistq.cli.choosing import every_view, last_activity
from persistq.cli.standing import sized
from persistq.errors import JournalError, UsageError
from persistq.journal.mounts import filesystem_of, require_local
from persistq.site.finding import site_of
from persistq.site.naming import SUFFIX
from persistq.site.ownership import VARIABLE, require_own_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from persistq.journal.view import JournalView

_SQLITE_LEAST: Final = (3, 37, 0)
"""The first version with tables whose columns have one type."""
_SPACE_LEAST: Final = 1_000_000_000
_FILES_LEAST: Final = 512
_CLOCK_TOLERANCE: Final = timedelta(minutes=1)
_YEAR_LEAST: Final = 2025
_PASSING: Final = frozenset({"tmpfs", "ramfs"})
_BESIDE: Final = (".lock", ".workers", ".broker")


class Level(enum.Enum):
    """How bad a finding is."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"
    BAD = "bad"


class Finding(NamedTuple):
    """One line.

    Attributes:
        level: How bad it is.
        about: What was looked at, in a word.
        text: What was found, and what to do.
    """

    level: Level
    about: str
    text: str


def sqlite(_directory: Path) -> Iterator[Finding]:
    """Look at the version of SQLite that Python brings."""
    version, text = sqlite3.sqlite_version_info, sqlite3.sqlite_version
    if version < _SQLITE_LEAST:
        least = ".".join(map(str, _SQLITE_LEAST))
        yield Finding(Level.BAD, "sqlite", f"{text} is too old: use a Python with {least} or newer")
    elif resets_its_log(version):
        yield Finding(
            Level.NOTE,
            "sqlite",
            f"{text} can damage a file that several connections write (mended in 3.51.3, 3.50.7 "
            "and 3.44.6); persistq has one that does: let no other program write a journal",
        )
    else:
        yield Finding(Level.OK, "sqlite", text)


def resets_its_log(version: tuple[int, int, int]) -> bool:
    """Return whether a version of SQLite can skip committed pages when two connections write."""
    major, minor, patch = version
    least = {(3, 44): 6, (3, 50): 7}.get((major, minor))
    return version < (3, 51, 3) and (least is None or patch < least)


def disk(directory: Path) -> Iterator[Finding]:
    """Look at the file system under a directory, and at what is free there."""
    place = _existing(directory)
    kind = filesystem_of(place) or "of a kind that the system does not tell"
    try:
        require_local(place)
    except JournalError as error:
        yield Finding(Level.BAD, "disk", error.reason)
        return
    if kind in _PASSING:
        yield Finding(
            Level.WARN, "disk", f"{kind} is gone after a restart: keep journals on a real disk"
        )
    else:
        yield Finding(Level.OK, "disk", f"the file system is {kind}")
    yield _space(place)


def _space(place: Path) -> Finding:
    free = shutil.disk_usage(place).free
    names = os.statvfs(place)
    if names.f_files and not names.f_favail:
        return Finding(Level.BAD, "space", "no more files can be made (inodes): remove some")
    if free < _SPACE_LEAST:
        text = f"{sized(free)} free, and a full disk ends a run: make room"
        return Finding(Level.WARN, "space", text)
    return Finding(Level.OK, "space", f"{sized(free)} free")


def rights(directory: Path) -> Iterator[Finding]:
    """Look at who may read and write a directory."""
    try:
        require_own_directory(directory)
    except JournalError as error:
        yield Finding(Level.BAD, "rights", error.reason)
        return
    place = _existing(directory)
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            Level.BAD,
            "rights",
            f"{place} cannot be read and written: check who may, and whether "
            "its file system is read-only",
        )
    elif place != directory:
        yield Finding(Level.NOTE, "rights", f"{directory} does not exist; the first start makes it")
    else:
        yield Finding(Level.OK, "rights", "the directory is yours alone to write")
    if os.environ.get(VARIABLE):
        yield Finding(
            Level.NOTE,
            "rights",
            f"{VARIABLE} trusts users {os.environ[VARIABLE]}: they can run code in your programs",
        )


def journals(directory: Path) -> Iterator[Finding]:
    """Open each journal for reading."""
    try:
        views = [*every_view(directory)]
    except JournalError:
        # Of the directory's rights something has been said.
        return
    for view in views:
        if isinstance(view, JournalError):
            yield Finding(Level.BAD, "journal", str(view))
    sound = sum(not isinstance(view, JournalError) for view in views)
    if sound:
        yield Finding(Level.OK, "journals", f"{sound:,} can be read; verify looks into one")


def orphans(directory: Path) -> Iterator[Finding]:
    """Look for what killed runs have left."""
    for path in sorted(directory.glob("*")) + sorted(directory.glob(".*.new*")):
        if (finding := _orphan(path)) is not None:
            yield finding


def _orphan(path: Path) -> Finding | None:
    name = path.name
    if name.endswith(f"{SUFFIX}-wal") and not path.with_name(name[:-4]).exists():
        text = f"{name} is the log of a journal that is gone: put that back, or move the log away"
        return Finding(Level.BAD, "orphan", text)
    if name.startswith(".") and f"{SUFFIX}." in name:
        text = f"{name} was left half-made; the next start of its name removes it"
        return Finding(Level.NOTE, "orphan", text)
    if path.suffix not in _BESIDE:
        return None
    journal = path.with_suffix(SUFFIX)
    if not journal.exists():
        return Finding(Level.NOTE, "orphan", f"{name} belongs to no journal: it can be deleted")
    if path.suffix == ".broker" and not site_of(str(journal)).is_held():
        text = f"{name} was left by a broker that was killed; the next start removes it"
        return Finding(Level.NOTE, "orphan", text)
    return None


def clock(directory: Path) -> Iterator[Finding]:
    """Compare the clock with what journals say of the past."""
    now = datetime.now(UTC)
    if now.year < _YEAR_LEAST:
        yield Finding(Level.BAD, "clock", f"it says {now:%Y-%m-%d}, which is past: set it")
        return
    ahead = [view.name for view, last in _activities(directory) if last > now + _CLOCK_TOLERANCE]
    if ahead:
        names = ", ".join(ahead)
        text = f"runs of {names} began in the future: the clock was set back; check it (NTP)"
        yield Finding(Level.WARN, "clock", text)
    else:
        yield Finding(Level.OK, "clock", f"{now:%Y-%m-%dT%H:%M:%SZ}")


def _activities(directory: Path) -> list[tuple[JournalView, datetime]]:
    try:
        views = [view for view in every_view(directory) if not isinstance(view, JournalError)]
    except JournalError:
        return []
    dated = [(view, last_activity(view)) for view in views]
    return [(view, last) for view, last in dated if last is not None]


def limits(_directory: Path) -> Iterator[Finding]:
    """Look at what the system allows a process."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < _FILES_LEAST:
        yield Finding(
            Level.WARN,
            "limits",
            f"{files} open files is few for many workers: raise it (ulimit -n)",
        )
    else:
        yield Finding(Level.OK, "limits", f"{_limit(files)} open files")
    size, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if size != resource.RLIM_INFINITY:
        text = f"a file may have {sized(size)} only, a journal too: raise that (ulimit -f)"
        yield Finding(Level.WARN, "limits", text)


def _limit(value: int) -> str:
    return "any number of" if value == resource.RLIM_INFINITY else f"{value:,}"


def settings(_directory: Path) -> Iterator[Finding]:
    """Look at what is set by the environment and by files."""
    from persistq import failpoints
    from persistq.settings import load_settings

    try:
        load_settings()
    except UsageError as error:
        yield Finding(Level.BAD, "settings", str(error))
    else:
        yield Finding(Level.OK, "settings", f"valid; Python {sys.version.split()[0]}")
    if os.environ.get(failpoints.VARIABLE):
        text = f"{failpoints.VARIABLE} is set, which makes persistq crash on purpose: unset it"
        yield Finding(Level.WARN, "settings", text)


def _existing(directory: Path) -> Path:
    """Return a directory, or the nearest one above it that there is."""
    return next(place for place in (directory, *directory.parents) if place.is_dir())


EXAMINATIONS: Final[tuple[Callable[[Path], Iterator[Finding]], ...]] = (
    *(sqlite, disk, rights, journals, orphans, clock, limits, settings),
)
