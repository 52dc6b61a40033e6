"""Where this program comes from: what it takes to start it again.

The directory is noted when persistq is imported, because a script may change it before it opens
anything, and its arguments are relative to where it began.
"""

from __future__ import annotations

import os
import sys

_NOT_REPEATED = frozenset(
    {"JOURNAL", "LOAD", "RESUME", "FRESH", "RETRY_FAILED", "FAILPOINT", "FAILPOINT_HITS"}
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
