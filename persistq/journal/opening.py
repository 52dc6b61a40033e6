"""Opening a journal to read it, whatever keeps it; today that is SQLite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from persistq.journal.connection import log_of, size_of
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


def stamp(site: Site) -> tuple[tuple[int, ...], ...]:
    """Return what differs as soon as something was committed; that it is equal proves nothing.

    It costs a look at two files, so it may be asked often.
    """
    journal = Path(site.journal)
    return _stamp_of(journal), _stamp_of(log_of(journal))


def bytes_of(site: Site) -> int:
    """Return how many bytes a journal's files have."""
    journal = Path(site.journal)
    return sum(size_of(path) or 0 for path in (journal, log_of(journal)))


def _stamp_of(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
