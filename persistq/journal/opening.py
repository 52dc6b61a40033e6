"""Opening a journal to read it, whatever keeps it; today that is SQLite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from persistq.journal.sqlite_reader import SqliteReader

if TYPE_CHECKING:
    from persistq.journal.reader import JournalReader
    from persistq.site.base import Site


def open_reader(site: Site) -> JournalReader:
    """Open a journal for reading; close it again, or use it in a ``with`` block.

    Args:
        site: Where the journal lives.

    Raises:
        JournalMissing: There is none; nothing is created.
        JournalForeign: What is there is not a journal.
        JournalNewer: A newer persistq wrote it.
        JournalUnavailable: It cannot be read, is somebody else's, others may write it, or an older
            persistq wrote it.
    """
    return SqliteReader(Path(site.journal))
