"""Where journals are, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistq.errors import JournalError
from persistq.journal.opening import open_reader
from persistq.site.naming import SUFFIX, is_name, journal_path
from persistq.site.ownership import require_own_directory

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from persistq.journal.base import JournalView

__all__ = ["journal_path", "journals", "latest_unfinished"]


def journals(directory: Path) -> list[Path]:
    """Return the files that may be journals, sorted by name; none if there is no directory.

    Raises:
        JournalUnavailable: The directory is somebody else's, or others may write it.
    """
    require_own_directory(directory)
    return sorted(path for path in directory.glob(f"*{SUFFIX}") if _is_candidate(path))


def latest_unfinished(directory: Path) -> JournalView | None:
    """Return the journal with an unfinished load on which a run started last.

    Files that are not journals, or cannot be read, are passed over.
    """
    views = (_view(path) for path in journals(directory))
    unfinished = [view for view in views if view is not None and view.unfinished]
    return max(unfinished, key=_started, default=None)


def _is_candidate(path: Path) -> bool:
    return path.is_file() and is_name(path.name.removesuffix(SUFFIX))


def _view(path: Path) -> JournalView | None:
    try:
        with open_reader(path) as reader:
            return reader.view()
    except JournalError:
        return None


def _started(view: JournalView) -> datetime:
    assert view.load is not None
    return view.run.started_at if view.run is not None else view.load.created_at
