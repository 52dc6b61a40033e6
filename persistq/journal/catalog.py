"""Where journals are, by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from persistq.errors import JournalError, UsageError
from persistq.journal.outstanding import JournalReader

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from persistq.journal.base import JournalView

_SUFFIX: Final = ".db"
_NAME: Final = re.compile(r"(?![.-])[A-Za-z0-9._-]{1,100}")


def journal_path(directory: Path, name: str) -> Path:
    """Return where the journal of a name is, whether or not it exists.

    Args:
        directory: The directory of journals.
        name: 1 to 100 letters, digits, ``.``, ``_`` or ``-``, not starting with ``.`` or ``-``.

    Raises:
        UsageError: The name breaks that rule.
    """
    if not _NAME.fullmatch(name):
        message = (
            f"{name!r} cannot name a journal: use 1 to 100 letters, digits, '.', '_' or '-', "
            "not starting with '.' or '-'"
        )
        raise UsageError(message)
    return directory / f"{name}{_SUFFIX}"


def journals(directory: Path) -> list[Path]:
    """Return the files that may be journals, sorted by name; none if there is no directory."""
    return sorted(path for path in directory.glob(f"*{_SUFFIX}") if _is_candidate(path))


def latest_unfinished(directory: Path) -> JournalView | None:
    """Return the journal with an unfinished load on which a run started last.

    Files that are not journals, or cannot be read, are passed over.
    """
    views = (_view(path) for path in journals(directory))
    unfinished = [view for view in views if view is not None and view.unfinished]
    return max(unfinished, key=_started, default=None)


def _is_candidate(path: Path) -> bool:
    return path.is_file() and _NAME.fullmatch(path.name.removesuffix(_SUFFIX)) is not None


def _view(path: Path) -> JournalView | None:
    try:
        with JournalReader(path) as reader:
            return reader.view()
    except JournalError:
        return None


def _started(view: JournalView) -> datetime:
    assert view.load is not None
    return view.run.started_at if view.run is not None else view.load.created_at
