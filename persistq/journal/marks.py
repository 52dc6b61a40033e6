"""What marks a file as a journal, and of which version."""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x70737471
"""``pstq`` in ASCII: marks a SQLite file as a journal (``PRAGMA application_id``)."""

SCHEMA_VERSION: Final = 1
"""``PRAGMA user_version``; also the number of the newest migration."""


def revision_of(version: int) -> str:
    """Return the Alembic revision that brings a journal to a schema version."""
    return f"{version:04d}"
