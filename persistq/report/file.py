"""The file that a page is written to: whole or not at all, and never over something else."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from tempfile import mkstemp
from typing import Final

from persistq import failpoints
from persistq.errors import UsageError
from persistq.report.page import HEAD

_START: Final = HEAD.encode()


def write_page(path: Path, page: str) -> None:
    """Write a page for its owner only: it shows what is in items.

    Crash: the path leads to what was there before or to the whole page, also after a power cut; a
    hidden file beside it may be left over.

    Args:
        path: Where; a report that is there already is replaced.
        page: The page.

    Raises:
        UsageError: Something else is there, or nothing can be written there.
    """
    require_free(path)
    try:
        _replace(path, page.encode())
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def require_free(path: Path) -> None:
    """Refuse a path at which something other than a report would be lost.

    Raises:
        UsageError: It would. A link is none of ours, wherever it leads.
    """
    try:
        is_report = _is_report(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if not is_report:
        raise UsageError(
            f"{path} is there already and is no report: choose another file, or - for standard "
            "output"
        )


def _is_report(path: Path) -> bool:
    if not stat.S_ISREG(path.lstat().st_mode):
        return False
    with path.open("rb") as file:
        return file.read(len(_START)) == _START


def _replace(path: Path, content: bytes) -> None:
    # So made, it belongs to its owner only.
    descriptor, name = mkstemp(".new", f".{path.name}.", path.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - there is no path to open
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        failpoints.point("report.before_rename")
        Path(name).rename(path)
    finally:
        Path(name).unlink(missing_ok=True)
