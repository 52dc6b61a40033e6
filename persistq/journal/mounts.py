"""Which file system a path is on, and whether it can carry a journal."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Final

from persistq.errors import JournalUnavailable

_MOUNTINFO: Final = Path("/proc/self/mountinfo")

_REMOTE: Final = re.compile(r"nfs\d*|cifs|smb\d*|9p|virtiofs|fuse\..*|ceph|lustre|gpfs")


def remote_filesystem(mountinfo: str, path: PurePosixPath) -> str | None:
    """Return the type of the network file system a path is on, or None if it is local.

    Args:
        mountinfo: Text of ``/proc/self/mountinfo``.
        path: An absolute path without symbolic links.
    """
    kind = _filesystem(mountinfo, path)
    return kind if _REMOTE.fullmatch(kind) else None


def filesystem_of(path: Path) -> str:
    """Return the type of the file system a path is on; empty where the system does not tell."""
    return _filesystem(_mountinfo(), PurePosixPath(path))


def network_filesystem(path: Path) -> str | None:
    """Return the type of the network file system a path is on, or None if it is local.

    Args:
        path: An absolute path without symbolic links.
    """
    return remote_filesystem(_mountinfo(), PurePosixPath(path))


def require_local(path: Path) -> None:
    """Refuse a journal on a network file system.

    Raises:
        JournalUnavailable: The path is on one: SQLite's log needs memory shared by all who use it.
    """
    kind = network_filesystem(path)
    if kind is not None:
        reason = f"it is on a network file system ({kind}), which would damage it: use a local disk"
        raise JournalUnavailable(str(path), reason)


def require_not_mounted(path: Path) -> None:
    """Refuse a journal file that is mounted by itself, as ``docker run -v`` does with a file.

    Raises:
        JournalUnavailable: It is: what is committed may be in its log, which stays outside.
    """
    if PurePosixPath(path) in map(_point_of, _mountinfo().splitlines()):
        reason = "the file is mounted by itself, without its log: mount its directory instead"
        raise JournalUnavailable(str(path), reason)


def _mountinfo() -> str:
    try:
        return _MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _point_of(line: str) -> PurePosixPath:
    return PurePosixPath(_unescaped(line.split(" ")[4]))


def _filesystem(mountinfo: str, path: PurePosixPath) -> str:
    deepest, kind = -1, ""
    for line in mountinfo.splitlines():
        point, (_, _, filesystem) = _point_of(line), line.partition(" - ")
        # A later mount on the same point hides an earlier one.
        if path.is_relative_to(point) and len(point.parts) >= deepest:
            deepest, kind = len(point.parts), filesystem.split(" ")[0]
    return kind


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
