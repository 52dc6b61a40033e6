"""Where the journal of a name is; known to clients too, so it imports no database."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from persistq.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

SUFFIX: Final = ".db"
_NAME: Final = re.compile(r"(?![.-])[A-Za-z0-9._-]{1,100}")
_FIELD: Final = re.compile(r"\{([^\W\d]\w*)\}")


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


def receipts_path(journal: str | Path) -> Path:
    """Return where the receipts of files are that stages write into folders, beside a journal."""
    return Path(journal).with_suffix(".files")


def name_of(path: str | Path) -> str:
    """Return the name that the journal with this path has."""
    return Path(path).name.removesuffix(SUFFIX)


def fields_of(name: str) -> list[str]:
    """Return the parameters in a name such as ``sales-{day}``, in order; none in a plain one.

    Raises:
        UsageError: Its braces hold anything but the name of a parameter.
    """
    pieces = _FIELD.split(name)
    if any("{" in piece or "}" in piece for piece in pieces[::2]):
        raise UsageError(
            f"{name!r} cannot name a journal: between braces stands the name of a parameter and "
            "nothing else, as in sales-{day}"
        )
    return pieces[1::2]


def filled(name: str, values: Mapping[str, object]) -> str:
    """Return a name with its parameters filled in.

    Raises:
        UsageError: One of them has no value.
    """
    for field in fields_of(name):
        if values.get(field) is None:
            raise UsageError(
                f"the name {name!r} needs the parameter {field!r}: give --param {field}=... (in "
                f"code run(params={{{field!r}: ...}})), or a default in the source"
            )
    return _FIELD.sub(lambda found: str(values[found[1]]), name)


def fits(template: str, name: str) -> bool:
    """Return whether a name can come of a template."""
    pieces = _FIELD.split(template)
    pattern = "(.+)".join(map(re.escape, pieces[::2]))
    return re.fullmatch(pattern, name) is not None


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
