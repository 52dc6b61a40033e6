"""What variables say, in the environment and in the file ``.env`` of the current directory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from persistq.errors import UsageError

ENV_FILE: Final = ".env"


def in_environment(prefix: str) -> dict[str, str]:
    """Return the variables of the environment, as `in_file` does."""
    return _said(os.environ.items(), prefix)


def in_file(prefix: str) -> dict[str, str]:
    """Return the variables with a prefix in ``.env``, by what follows it, in small letters.

    Capitals and small letters are the same in names. An empty variable counts as unset.

    Raises:
        UsageError: There is such a file, and it cannot be read.
    """
    path = Path(ENV_FILE)
    if not (path.is_file() or path.is_fifo()):
        return {}
    return _said(_read(path).items(), prefix)


def _read(path: Path) -> Mapping[str, str | None]:
    from dotenv import dotenv_values

    try:
        return dotenv_values(path, encoding="utf-8")
    except (ValueError, OSError) as error:
        raise UsageError(f"{path.absolute()} cannot be read: {error}") from error


def _said(variables: Iterable[tuple[str, str | None]], prefix: str) -> dict[str, str]:
    start = prefix.lower()
    return {
        name.lower().removeprefix(start): value
        for name, value in variables
        if value and name.lower().startswith(start)
    }
