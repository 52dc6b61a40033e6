"""Opening a journal to read it, whatever keeps it; today that is SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistq.journal.sqlite_reader import SqliteReader

if TYPE_CHECKING:
    from pathlib import Path

    from persistq.journal.reader import JournalReader


def open_reader(path: Path) -> JournalReader:
    """Open a journal for reading; close it again, or use it in a ``with`` block.

    Args:
        path: The journal file.

    Raises:
        JournalMissing: There is none; nothing is created.
        JournalForeign: What is there is not a journal.
        JournalNewer: A newer persistq wrote it.
        JournalUnavailable: It cannot be read, is somebody else's, others may write it, or an older
            persistq wrote it.
    """
    return SqliteReader(path)
