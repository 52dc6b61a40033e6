"""What lies in a folder at one moment."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from fnmatch import translate
from typing import NamedTuple

from persistq.folder.names import PAUSE, WHY, control_of, fits, original
from persistq.folder.place import Place


class Listing(NamedTuple):
    """What lies in a folder.

    Attributes:
        items: Names of files that are items, in no order.
        controls: Names of files that may be control files.
        strange: Names of what is neither: links, directories, reasons, names that are too long.
        paused: Whether nobody is to claim anything.
    """

    items: list[str]
    controls: list[str]
    strange: list[str]
    paused: bool


def pattern_of(match: str | tuple[str, ...]) -> re.Pattern[str]:
    """Return what the whole name of an item has to match: case counts, on every system."""
    return re.compile("|".join(map(translate, [match] if isinstance(match, str) else match)))


def matches(pattern: re.Pattern[str], name: str) -> bool:
    """Return whether a name matches, or the one it had before another file had it too."""
    return bool(pattern.match(name) or pattern.match(original(name)))


def list_folder(place: Place, pattern: re.Pattern[str]) -> Listing:
    """List a folder; other names than those of items and control files are not looked at."""
    listing = Listing([], [], [], paused=(place.path / PAUSE).exists())
    with os.scandir(place.path) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith("."):
                continue
            if control_of(name)[0]:
                listing.controls.append(name)
            elif name.endswith(WHY):
                listing.strange.append(name)
            elif name != PAUSE and matches(pattern, name):
                _sort_in(entry, listing)
    return listing


def _sort_in(entry: os.DirEntry[str], listing: Listing) -> None:
    fine = entry.is_file(follow_symlinks=False) and fits(entry.name)
    (listing.items if fine else listing.strange).append(entry.name)


def owned(
    directory: os.PathLike[str], owners: Iterable[str] | None = None
) -> Iterator[tuple[str, str]]:
    """Yield what lies in the directories of owners: the directory's name, and that of the file.

    Symbolic links are not followed; a directory that goes meanwhile has nothing in it.

    Args:
        directory: Where these directories are.
        owners: Names of some of them; None is all.
    """
    for name in directories_in(directory) if owners is None else owners:
        try:
            for file in os.listdir(os.path.join(directory, name)):  # noqa: PTH118, PTH208
                yield name, file
        except FileNotFoundError:
            continue


def directories_in(directory: os.PathLike[str]) -> list[str]:
    """Return the names of the directories in one that may be missing, without links."""
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []
