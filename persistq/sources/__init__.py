"""Ready-made sources: files, lines of CSV and JSON, rows of a table.

Each is a function that can be a source by itself, or that a source returns the call of. Those that
take ``cursor`` go on behind it. They are also meant to be read, as examples of sources.
"""

from __future__ import annotations

from importlib import import_module

# Type checkers know this name; each source is imported when it is first used.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from persistq.sources.lines import csv_rows, json_lines
    from persistq.sources.paths import FileChanged, files, unchanged
    from persistq.sources.tables import table_rows

_HOMES = {
    "FileChanged": "persistq.sources.paths",
    "csv_rows": "persistq.sources.lines",
    "files": "persistq.sources.paths",
    "json_lines": "persistq.sources.lines",
    "table_rows": "persistq.sources.tables",
    "unchanged": "persistq.sources.paths",
}

__all__ = [
    "FileChanged",
    "csv_rows",
    "files",
    "json_lines",
    "table_rows",
    "unchanged",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'persistq.sources' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
