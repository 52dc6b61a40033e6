"""Where this program comes from: what it takes to start it again.

The directory is noted when persistq is imported, because a script may change it before it opens
anything, and its arguments are relative to where it began.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False

if TYPE_CHECKING:
    from pathlib import Path

_NOT_REPEATED = frozenset(
    {"JOURNAL", "RESUME", "FRESH", "RETRY_FAILED", "FAILPOINT", "FAILPOINT_HITS"}
)
"""Settings that belong to one start, or that ``persistq resume`` decides."""

_PREFIX = "PERSISTQ_"


def _directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - pathlib would make `import persistq` dear
    except FileNotFoundError:
        return os.sep


cwd = _directory()
"""The current directory at the import of persistq; the root if it had been deleted."""


def current_directory() -> Path:
    """Return the current directory.

    Raises:
        UsageError: It has been deleted.
    """
    from pathlib import Path

    from persistq.errors import UsageError

    try:
        return Path.cwd()
    except FileNotFoundError:
        reason = "the current directory has been deleted: go to one that exists"
        raise UsageError(reason) from None


def absolute(path: str) -> Path:
    """Return the absolute form of a path, with its links followed.

    Raises:
        UsageError: It is relative to the current directory, and that has been deleted.
    """
    from pathlib import Path

    given = Path(path)
    return (given if given.is_absolute() else current_directory() / given).resolve()


def argv() -> list[str]:
    """Return the interpreter's arguments, without the interpreter."""
    return sys.orig_argv[1:]


def environment() -> dict[str, str]:
    """Return the settings that this program was given by its environment."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_PREFIX) and name.removeprefix(_PREFIX) not in _NOT_REPEATED
    }
