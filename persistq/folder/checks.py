"""What a file has to be before it is given out: otherwise it is parked, and never deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from persistq.errors import UsageError
from persistq.folder.batchfile import check_batch
from persistq.text.terminal import text_of

CheckOption = str | Callable[[Path], Any] | None
"""What ``check=`` takes: one of `NAMED`, or a function of a path that answers false, or raises, for
what is not right."""


def nonempty(path: Path) -> bool:
    """Return whether a file has bytes."""
    return path.stat().st_size > 0


def whole_json(path: Path) -> bool:
    """Return whether a file is one JSON value; raises what is wrong."""
    json.loads(path.read_bytes())
    return True


def whole_batch(path: Path) -> bool:
    """Return whether a file is a whole batch file; raises what is wrong."""
    check_batch(path)
    return True


NAMED: Final = {"nonempty": nonempty, "json": whole_json, "rows": whole_batch}


def require_check(option: CheckOption) -> None:
    """Refuse what checks nothing.

    Raises:
        UsageError: It is no function and no known name.
    """
    if option is not None and not callable(option) and option not in NAMED:
        raise UsageError(
            f"check={option!r} is refused: give a function, or one of {', '.join(NAMED)}"
        )


def fault_in(path: Path, option: CheckOption) -> str:
    """Return what is wrong with a file; empty if nothing is."""
    if option is None:
        return ""
    check = NAMED[option] if isinstance(option, str) else option
    try:
        return "" if check(path) else f"check={_name(option)} has refused it"
    except RecursionError:
        return "it is nested too deep"
    except Exception as error:  # noqa: BLE001 - the function is the user's, the file a stranger's
        return f"{type(error).__name__}: {text_of(error)}"


def _name(option: CheckOption) -> str:
    return option if isinstance(option, str) else getattr(option, "__name__", "a function")
