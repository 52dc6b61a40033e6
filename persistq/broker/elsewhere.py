"""Whether a load of this name was left unfinished in another directory."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from persistq.errors import JournalError, JournalMissing, UsageError
from persistq.journal.opening import open_reader
from persistq.site.finding import site_of

if TYPE_CHECKING:
    from persistq.journal.view import JournalView
    from persistq.wire.messages import Opening


def require_no_other(opening: Opening) -> None:
    """Refuse to begin a load while one of this name is unfinished elsewhere. Nothing is written.

    Raises:
        UsageError: There is one; the sentence names both journals and what to type.
    """
    if opening.fresh or not (others := list(filter(None, map(_unfinished, opening.elsewhere)))):
        return
    if _begins(opening.path):
        other = others[0]
        directory = shlex.quote(str(Path(other.path).parent))
        raise UsageError(
            f"load {other.load.load_id if other.load else 0} of {opening.name!r} is unfinished in "
            f"{other.path}, and this start would begin another one in {opening.path}: carry it on "
            f"with persistq resume {opening.name} --journal {directory}, or begin here with "
            "fresh=True (PERSISTQ_FRESH=1, --fresh)"
        )


def _begins(path: str) -> bool:
    """Return whether a start here is not about to carry something on, nor to be refused anyway."""
    try:
        with open_reader(site_of(path)) as reader:
            return not reader.view().unfinished
    except JournalMissing:
        return True
    except JournalError:
        return False


def _unfinished(path: str) -> JournalView | None:
    """Return the view of a journal that can be read and whose latest load is unfinished."""
    try:
        with open_reader(site_of(path)) as reader:
            view = reader.view()
    except JournalError:
        return None
    return view if view.unfinished else None
