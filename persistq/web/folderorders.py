"""Orders from the page of a folder: what the verbs of ``persistq folder`` do, in a sentence."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from persistq.errors import UsageError
from persistq.folder.pausing import pause as pause_folder
from persistq.folder.pausing import resume as resume_folder
from persistq.folder.recovery import recover as recover_dead
from persistq.folder.retrying import put_back
from persistq.folder.temporary import temporary_owner

if TYPE_CHECKING:
    from persistq.web.folders import Folders
    from persistq.web.page import Query

_MAX_CRASHES: Final = 3


def retry(folders: Folders, key: str, form: Query) -> str:
    """Put back what was put aside; return what has happened, in a sentence.

    Args:
        folders: All folders.
        key: The folder.
        form: ``file``, as `persistq.web.folderpage.reference_to` makes it, or ``everything``.

    Crash: as for `persistq.folder.retrying.put_back`.

    Raises:
        UsageError: Nothing says what, or it was not put aside.
        FolderError: The folder cannot be read or written.
    """
    place, _ = folders.place(key)
    names = _names_in(form)
    done = put_back(place, names)
    if not done:
        return "nothing was put back: it is gone, or nobody would claim it"
    return f"{len(done):,} put back: {'they wait' if len(done) > 1 else 'it waits'} again"


def pause(folders: Folders, key: str, form: Query) -> str:  # noqa: ARG001 - as every order
    """Have nobody claim anything; return what has happened, in a sentence.

    Crash: as for `persistq.folder.pausing.pause`.

    Raises:
        UsageError: There is no such folder.
        FolderError: It cannot be written.
    """
    pause_folder(folders.place(key)[0])
    return "paused: nobody claims anything, and what is in hands is finished"


def resume(folders: Folders, key: str, form: Query) -> str:  # noqa: ARG001 - as every order
    """Let files be claimed again; return what has happened, in a sentence.

    Crash: as for `persistq.folder.pausing.resume`.

    Raises:
        UsageError: There is no such folder.
        FolderError: It cannot be written.
    """
    resume_folder(folders.place(key)[0])
    return "open: files are claimed again"


def recover(folders: Folders, key: str, form: Query) -> str:  # noqa: ARG001 - as every order
    """Give back what dead processes had in hand; return what has happened, in a sentence.

    Crash: as for `persistq.folder.recovery.recover`.

    Raises:
        UsageError: There is no such folder.
        FolderError: It cannot be written.
    """
    place, watch = folders.place(key)
    with temporary_owner(place) as owner:
        found = recover_dead(owner, watch, _MAX_CRASHES)
    said = f"{len(found.owners):,} dead, {len(found.given_back):,} given back"
    return f"{said}, {len(found.parked):,} put aside" if found.parked else said


def _names_in(form: Query) -> list[str]:
    """Return which files are meant; none is all of them.

    Raises:
        UsageError: Nothing says which.
    """
    if form.get("everything"):
        return []
    try:
        name = os.fsdecode(bytes.fromhex(form.get("file", "")))
    except ValueError:
        name = ""
    if not name:
        raise UsageError("nothing says which files are meant, and nothing was changed")
    return [name]
