"""What the table ``[tool.persistq]`` of the nearest ``pyproject.toml`` says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from persistq.errors import UsageError

PROJECT_FILE: Final = "pyproject.toml"
TABLE: Final = "[tool.persistq]"


class Project(NamedTuple):
    """A file of a project.

    Attributes:
        path: Where it is; None if there is none.
        table: What it says of persistq.
    """

    path: Path | None
    table: dict[str, Any]


def nearest_project() -> Project:
    """Return the project of the current directory.

    Raises:
        UsageError: Its file cannot be understood.
    """
    path = _nearest_file()
    return Project(path, {} if path is None else _table_of(path))


def _nearest_file() -> Path | None:
    try:
        here = Path.cwd()
    except FileNotFoundError:
        # It has been deleted; whoever needs it says so.
        return None
    candidates = (folder / PROJECT_FILE for folder in (here, *here.parents))
    return next((path for path in candidates if path.is_file()), None)


def _table_of(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    for key in ("tool", "persistq"):
        table = table.get(key, {})
        if not isinstance(table, dict):
            raise UsageError(f"{path}: {key} is {table!r}, it must be a table, as in {TABLE}")
    return table
