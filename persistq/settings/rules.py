"""What types cannot say of the values of some settings."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

from persistq.fields import Rule
from persistq.site.processes import HOST_PATTERN

_LOAD_PATTERN: Final = r"(.+:)?[1-9]\d{0,17}"
_USERS_PATTERN: Final = r"\d+(\s*,\s*\d+)*"


def _directory(value: Any) -> Any:
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str) or not path:
        raise ValueError("it should be the path of a directory")
    if "://" in path:
        raise ValueError(
            "it is a database URL, and journals in PostgreSQL are not supported yet; "
            "give a directory"
        )
    return str(Path(path).expanduser())


def _load(value: Any) -> Any:
    number = str(value) if type(value) is int else value
    if isinstance(number, str) and not re.fullmatch(_LOAD_PATTERN, number):
        raise ValueError("it should be the number of a load, as 3, or 'sales:3' for that journal")
    return number


def _users(value: Any) -> Any:
    if isinstance(value, str) and value and not re.fullmatch(_USERS_PATTERN, value):
        raise ValueError("it should be numbers of users, separated by commas, such as 1000")
    return value


def _host(value: Any) -> Any:
    if isinstance(value, str) and value and not re.fullmatch(HOST_PATTERN, value):
        raise ValueError("it should be 1 to 100 letters, digits, '.', '_' or '-'")
    return value


DIRECTORY: Final = Rule(_directory)
"""A path, of which ``~`` is expanded."""

LOAD: Final = Rule(_load)
"""A number, as such or as text, with a name in front or without."""

USERS: Final = Rule(_users)
"""Numbers of users in a text."""

HOST: Final = Rule(_host)
"""A name for a host."""
