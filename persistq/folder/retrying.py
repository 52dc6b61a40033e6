"""Putting files back that were put aside, so that they are tried again."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from persistq import failpoints
from persistq.errors import UsageError
from persistq.folder.claims import PART, give_back_all
from persistq.folder.names import WHY, fits, is_item
from persistq.folder.owner import Owner
from persistq.folder.parking import DRAFT
from persistq.folder.place import Place
from persistq.folder.reader import reported
from persistq.folder.renames import rename_free, rename_new, sync_directory
from persistq.folder.standing import parked_files
from persistq.folder.temporary import temporary_owner
from persistq.text.suggestions import nearest
from persistq.text.terminal import printable


class Retried(NamedTuple):
    """What was put back.

    Attributes:
        name: What it was called where it was put aside.
        files: What it is called now; of a group, all its files.
    """

    name: str
    files: list[str]


def put_back(place: Place, names: Iterable[str]) -> list[Retried]:
    """Let files that were put aside wait again, each without its reason; a group as a whole.

    Crash: as for `retry`.

    Args:
        place: The folder.
        names: What they are called where they were put aside; none is all that can be put back.

    Raises:
        UsageError: One of them was not put aside, or nobody would claim it: nothing was changed.
        FolderError: The folder cannot be read or written.
    """
    with reported(place):
        chosen = choose_parked(place, names)
    if not chosen:
        return []
    with temporary_owner(place) as owner:
        return retry(owner, chosen)


def choose_parked(place: Place, names: Iterable[str]) -> list[str]:
    """Return what is to be put back: what is named, or all that can be if nothing is.

    Raises:
        UsageError: Something of that name was not put aside, or nobody would ever claim it.
        OSError: The folder cannot be read.
    """
    parked = [path.name for path in parked_files(place)]
    if not (chosen := [*dict.fromkeys(names)]):
        return [name for name in parked if not fault_of(place.parked / name)]
    for name in chosen:
        if name not in parked:
            near = nearest(name, parked)
            meant = f"did you mean {printable(near)}? " if near else ""
            raise UsageError(
                f"{printable(name)} was not put aside, and nothing was changed; {meant}"
                "persistq folder status shows what was"
            )
        if fault := fault_of(place.parked / name):
            raise UsageError(f"{printable(name)} cannot be put back, nothing was changed: {fault}")
    return chosen


def fault_of(path: Path) -> str:
    """Return why nobody would claim what was put aside, if it were put back; empty if somebody may.

    Of a group each file is looked at.
    """
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISDIR(mode):
            return _fault(path.name, mode)
        faults = (_fault(file.name, file.lstat().st_mode) for file in sorted(path.iterdir()))
        return next(filter(None, faults), "")
    except OSError as error:
        return f"it cannot be looked at: {error.strerror}"


def retry(owner: Owner, names: Iterable[str]) -> list[Retried]:
    """Put files back that were put aside, and whole groups; what is gone meanwhile is left out.

    Crash: each lies where it was, with its reason, or it waits. Of a group, whose files come back
    one after the other, the rest is this owner's, who is dead then, and is given back as well.

    Args:
        owner: Who does it.
        names: What they are called where they were put aside, as `choose_parked` returns it.

    Raises:
        OSError: The folder cannot be written; what was done until then stays.
    """
    place = owner.place
    done = [found for name in names if (found := _retry_one(owner, name)) is not None]
    for directory in (place.path, place.parked):
        sync_directory(directory)
    return done


def _fault(name: str, mode: int) -> str:
    if not stat.S_ISREG(mode):
        return f"{printable(name)} is no regular file"
    if not is_item(name) or not fits(name):
        return f"{printable(name)} cannot name an item"
    return ""


def _retry_one(owner: Owner, name: str) -> Retried | None:
    """Put one back; None if it is gone.

    Its reason is taken first: who claims the file may put it aside again at once, with another one.
    """
    path = owner.place.parked / name
    draft = _take_reason(owner, path)
    failpoints.point("folder.before_retry")
    try:
        files = _brought_back(owner, path)
    except OSError:
        if os.path.lexists(path):
            _return_reason(draft, path)
            raise
        files = []
    failpoints.point("folder.after_retry")
    if draft is not None:
        draft.unlink(missing_ok=True)
    return Retried(name, files) if files else None


def _brought_back(owner: Owner, path: Path) -> list[str]:
    if stat.S_ISDIR(path.lstat().st_mode):
        return _group_brought_back(owner, path)
    return [rename_free(path, owner.place.path, path.name).name]


def _group_brought_back(owner: Owner, path: Path) -> list[str]:
    # As if not all of it had been claimed: whoever finds it gives it back, and blames nobody.
    part = owner.taken / f"1.{path.name}{PART}"
    try:
        path.rename(part)
        failpoints.point("folder.within_retry")
        files = sorted(file.name for file in part.iterdir())
        give_back_all(part, owner.place)
    except OSError:
        if part.exists():
            rename_free(part, owner.place.parked, path.name)
        raise
    return files


def _take_reason(owner: Owner, path: Path) -> Path | None:
    """Have the reason of a file among what this owner is writing; None if there is none."""
    try:
        draft = owner.tmp / f"{path.lstat().st_ino}{DRAFT}"
        path.with_name(path.name + WHY).rename(draft)
    except FileNotFoundError:
        return None
    return draft


def _return_reason(draft: Path | None, path: Path) -> None:
    if draft is not None:
        # A newer one is the right one.
        with suppress(OSError):
            rename_new(draft, path.with_name(path.name + WHY))
