"""Where the journal of a name is; known to clients too, so it imports no database."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from persistq.errors import UsageError

SUFFIX: Final = ".db"
_NAME: Final = re.compile(r"(?![.-])[A-Za-z0-9._-]{1,100}")


def journal_path(directory: Path, name: str) -> Path:
    """Return where the journal of a name is, whether or not it exists.

    Args:
        directory: The directory of journals.
        name: 1 to 100 letters, digits, ``.``, ``_`` or ``-``, not starting with ``.`` or ``-``.

    Raises:
        UsageError: The name breaks that rule.
    """
    if not is_name(name):
        message = (
            f"{name!r} cannot name a journal: use 1 to 100 letters, digits, '.', '_' or '-', "
            "not starting with '.' or '-'"
        )
        raise UsageError(message)
    return directory / f"{name}{SUFFIX}"


def real_path(path: Path) -> Path:
    """Return a journal's path without symbolic links: two names must not mean two locks.

    Links that lead nowhere are left for the broker to complain about.
    """
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path


def is_name(text: str) -> bool:
    """Return whether a journal may have this name."""
    return _NAME.fullmatch(text) is not None
