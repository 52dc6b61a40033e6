"""The ground a journal is to stand on: looked at before anything is made or opened for writing."""

from __future__ import annotations

from pathlib import Path

from persistq.errors import JournalUnavailable
from persistq.journal.connection import canonical, has_log, log_of, schema_version, size_of
from persistq.journal.faults import reported
from persistq.journal.mounts import require_local, require_not_mounted
from persistq.site.ownership import require_own


def examine(path: Path) -> tuple[Path, int | None]:
    """Look at the place of a journal, and leave no trace.

    Args:
        path: The journal file, which may be missing.

    Returns:
        The file without symbolic links, and its schema version; None where there is no journal yet.

    Raises:
        JournalForeign: The file is not a journal.
        JournalNewer: A newer persistq wrote it.
        JournalCorrupt: The file is damaged.
        JournalUnavailable: It cannot be read, is where no journal can be, is somebody else's, or
            others may write it.
    """
    file = canonical(path)
    require_local(file)
    require_own(file)
    require_not_mounted(file)
    size = size_of(file)
    if size:
        return file, schema_version(file)
    _require_no_log(file)
    return file, None


def _require_no_log(file: Path) -> None:
    """Refuse to begin beside the log of a journal that is gone: SQLite would mix the two.

    Raises:
        JournalUnavailable: There is such a log.
    """
    with reported(file):
        logged = has_log(file)
    # Looked at once more: a run that is just making the journal makes its log after it.
    if logged and not size_of(file):
        reason = (
            f"the file is missing or empty, and its log {log_of(file).name} is still there: "
            "put the file back, or move the log away"
        )
        raise JournalUnavailable(str(file), reason)
