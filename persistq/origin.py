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
    {
        *("JOURNAL", "LOAD", "CARRY_ON", "FRESH", "RETRY_FAILED", "TRUST_OWNER", "HOST"),
        *("FAILPOINT", "FAILPOINT_HITS"),
    }
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


def script_directory() -> str | None:
    """Return the directory of the program's script; None for a session, or the command's own."""
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if not file or os.path.basename(file) == "persistq" or _is_ours(main):  # noqa: PTH119 - as above
        return None
    return os.path.dirname(os.path.join(cwd, file))  # noqa: PTH118, PTH120 - as above


def _is_ours(main: object) -> bool:
    spec = getattr(main, "__spec__", None)
    return spec is not None and spec.name.startswith("persistq.")


def absolute(path: str) -> Path:
    """Return the absolute form of a path, with its links followed.

    Raises:
        UsageError: It is relative to the current directory, and that has been deleted.
    """
    from pathlib import Path

    given = Path(path)
    return (given if given.is_absolute() else current_directory() / given).resolve()


def argv() -> list[str]:
    """Return the interpreter's arguments, without the interpreter, in their portable form."""
    from persistq.text.ostext import portable

    return [portable(word) for word in sys.orig_argv[1:]]


def environment() -> dict[str, str]:
    """Return the settings that its environment gave this program, in their portable form."""
    from persistq.text.ostext import portable

    return {
        portable(name): portable(value)
        for name, value in os.environ.items()
        if name.startswith(_PREFIX) and name.removeprefix(_PREFIX) not in _NOT_REPEATED
    }
