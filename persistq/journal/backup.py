"""A whole copy of a journal, also of one that is being written."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from persistq.journal.connection import connect
from persistq.journal.creation import draft_of

if TYPE_CHECKING:
    from pathlib import Path


def back_up(path: Path, copy: Path) -> None:
    """Copy a journal with all that is committed, also what is still in its log.

    Crash: the copy exists whole or not at all.
    """
    with (
        draft_of(copy) as draft,
        closing(connect(path, "ro")) as source,
        closing(connect(draft, "rw")) as target,
    ):
        source.backup(target)
