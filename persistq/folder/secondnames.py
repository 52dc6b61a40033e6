"""Second names: where a file system cannot rename without replacing, `put` links and unlinks.

Who dies between the two leaves a file with two names. By the number of its names recovery knows
that it was put; so whoever claims it first removes the second one, before anybody deletes the file.
"""

from __future__ import annotations

import os
from typing import Final

from persistq.folder.listing import owned
from persistq.folder.place import Place
from persistq.folder.renames import is_at

COPY: Final = ".copy"
"""Ends the name of a file of which an owner is writing a copy."""

MOVED: Final = ".moved"
"""Ends the name of a file that is put by a link; while it has only this name, nobody has it."""

SECOND: Final = (COPY, MOVED)


def remove_second_names(place: Place, found: os.stat_result) -> None:
    """Remove the names of a file that whoever has put it has not removed.

    Crash: there is one, and recovery finds it.

    Args:
        place: The folder.
        found: The file, which has been claimed.
    """
    for owner, name in owned(place.tmp):
        second = place.tmp / owner / name
        if name.endswith(SECOND) and is_at(second, found):
            second.unlink(missing_ok=True)
