"""In the place of ``sleep`` in the pages: wait until a load in this directory has got on.

Who is killed behind it is killed in the middle of the load, however slow the machine is.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

LIMIT_S = 50.0
GLANCE_S = 0.02


def begun(journal: Path) -> bool:
    """Return whether something is done, as far as that is committed."""
    try:
        with closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True)) as connection:
            return bool(
                connection.execute("SELECT EXISTS (SELECT 1 FROM done_range)").fetchone()[0]
            )
    except sqlite3.OperationalError:
        # It is being made.
        return False


def main() -> int:
    """Wait; return the exit code."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if any(map(begun, Path(".persistq").resolve().glob("*.db"))):
            return 0
        time.sleep(GLANCE_S)
    return 1


if __name__ == "__main__":
    sys.exit(main())
