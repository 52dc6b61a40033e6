"""Files that have failed for good: put aside, each with its reason beside it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

from persistq import failpoints
from persistq.folder.names import WHY, original
from persistq.folder.owner import Owner
from persistq.folder.place import Place, read_small
from persistq.folder.renames import rename_free, rename_over
from persistq.text.terminal import excerpt

DRAFT: Final = ".why"


def park(owner: Owner, path: Path, name: str, kind: str, reason: str) -> Path:
    """Put a file, or the directory of a group, aside.

    Crash: it is where it was, or aside; a reason that is not beside it yet lies with what its
    owner has been writing, and recovery puts it there.

    Args:
        owner: Who does it.
        path: Where it is.
        name: What it is called.
        kind: What has failed, as the name of an error.
        reason: What that says.

    Returns:
        Where it is now.
    """
    found = path.lstat()
    why = {
        "name": name,
        "kind": kind,
        "reason": excerpt(reason),
        "at": round(time.time(), 3),
        "owner": owner.name,
        "inode": found.st_ino,
    }
    draft = owner.tmp / f"{found.st_ino}{DRAFT}"
    draft.write_text(json.dumps(why, indent=1) + "\n", encoding="utf-8")
    failpoints.point("folder.before_park")
    target = rename_free(path, owner.place.parked, name)
    failpoints.point("folder.before_why")
    rename_over(draft, target.with_name(target.name + WHY))
    failpoints.point("folder.after_why")
    return target


def deliver_reason(place: Place, draft: Path) -> bool:
    """Put a reason that a dead process has written beside its file; return whether it is there."""
    why = reason_in(draft)
    for path in place.parked.iterdir():
        if not path.name.endswith(WHY) and _is_of(why, path):
            rename_over(draft, path.with_name(path.name + WHY))
            return True
    return False


def _is_of(why: dict[str, Any], path: Path) -> bool:
    """Return whether a reason is that of a file: inodes are used again, and files have links."""
    if original(path.name) != original(str(why.get("name"))):
        return False
    try:
        return path.lstat().st_ino == why.get("inode")
    except FileNotFoundError:
        # Somebody has it tried again.
        return False


def reason_in(path: Path) -> dict[str, Any]:
    """Return what a reason says; nothing if it cannot be read."""
    try:
        why = json.loads(read_small(path) or b"")
    except (ValueError, RecursionError):
        return {}
    return why if isinstance(why, dict) else {}
