"""How often a process has died with a file in its hands."""

from __future__ import annotations

import json
import os
from pathlib import Path

from persistq.folder.names import original
from persistq.folder.owner import Owner
from persistq.folder.place import Place, read_small
from persistq.folder.renames import rename_over


def count_crash(owner: Owner, path: Path, name: str) -> int:
    """Count one more, and return how many there were.

    Another file of this name does not inherit them.

    Crash: it is counted or not.

    Args:
        owner: Who counts.
        path: Where the file is.
        name: What it is called.
    """
    found = path.lstat()
    identity = [found.st_ino, found.st_mtime_ns]
    count = 1 + _counted(owner.place, name, identity)
    draft = owner.tmp / "crashes"
    draft.write_text(json.dumps({"crashes": count, "file": identity}), encoding="utf-8")
    rename_over(draft, owner.place.crashes / original(name))
    return count


def forget_crashes(place: Place, name: str) -> None:
    """Forget those of a file that is settled."""
    try:
        os.unlink(f"{place.crashes}/{original(name)}")  # noqa: PTH108 - this is done for each file
    except FileNotFoundError:
        return


def _counted(place: Place, name: str, identity: list[int]) -> int:
    try:
        facts = json.loads(read_small(place.crashes / original(name)) or b"")
        return int(facts["crashes"]) if facts["file"] == identity else 0
    except (ValueError, TypeError, KeyError, RecursionError):
        return 0
