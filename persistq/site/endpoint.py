"""Where a broker listens: a socket in a directory that is its user's alone.

The directory lies beside the journal, so whoever sees the journal finds its broker, whatever the
environment says about temporary files. Each broker's socket has a name of its own, so that one
which was overtaken takes nothing from its successor. A socket's path has about a hundred bytes;
longer ones are reached through the descriptor of the directory. Where that is impossible, or the
file system knows no sockets, a short directory for temporary files serves instead.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from persistq.site.peers import is_trusted, uid_of_peer

BACKLOG: Final = 1024
PATH_BYTES_MAX: Final = 103
"""The longest path of a socket on macOS; Linux takes four bytes more."""

RETRY_S: Final = 0.01
DESCRIPTORS: Final = Path("/proc/self/fd")

_NO_SOCKETS: Final = {errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENXIO}


class NotPrivate(Exception):
    """A broker's directory, or who listens there, is somebody else's."""


class _Unsuitable(OSError):
    """No socket can be made, or reached, at this place."""


def directory_of(journal: str) -> Path:
    """Return where the broker of a journal listens, if it can."""
    return Path(journal).with_suffix(".broker")


def place_of(journal: str, address: str) -> Path:
    """Return the socket that an address means, by whichever path the journal is reached."""
    return Path(journal).parent / address


class Endpoint:
    """A listening socket and its directory.

    Args:
        place: The socket; its directory is made if missing, and removed by `close` if it is empty.

    Attributes:
        listener: The socket.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        _make(place.parent)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _reachable(place) as path:
                _bind(self.listener, path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Listen no more, and leave nothing behind."""
        self.listener.close()
        with contextlib.suppress(OSError):
            remove(self._place)


def _make(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        # It is looked at like any other before it is used.
        return
    # Whatever the umask.
    directory.chmod(0o700)


def addresses(journal: str) -> Iterator[str]:
    """Yield where to listen, best place first.

    Crash: a place beside the journal is known to everybody; say where another one is going to be
    before it is made, so that it can be removed after a crash.
    """
    yield f"{directory_of(journal).name}/{secrets.token_hex(4)}"
    name = f"persistq-{secrets.token_hex(8)}/socket"
    with contextlib.suppress(OSError):
        yield str(Path(tempfile.gettempdir()).absolute() / name)
    yield f"/tmp/{name}"  # noqa: S108 - the name is random, the directory for us alone


def listen(journal: str, address: str) -> Endpoint | None:
    """Listen at an address; None if no socket can be made there, or none that is private.

    Crash: the directory and its socket are left over; `remove` takes them away.

    Raises:
        OSError: Another reason.
    """
    try:
        return Endpoint(place_of(journal, address))
    except (_Unsuitable, NotPrivate):
        return None


def beside(journal: str) -> list[Path]:
    """Return the sockets in the directory beside a journal."""
    try:
        return list(directory_of(journal).iterdir())
    except OSError:
        return []


def remove_dead(place: Path) -> None:
    """Do as `remove`, unless somebody listens there.

    Who holds the lock has no live broker beside him, except where locks do not hold, or where the
    lock file was deleted.

    Raises:
        NotPrivate: Others can get into the directory.
        OSError: Something else lies there, or it cannot be told.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            with _reachable(place) as path:
                _connected(sock, path)
        except (ConnectionRefusedError, FileNotFoundError):
            remove(place)


def remove(place: Path) -> None:
    """Remove the socket of a broker that is dead, and its directory if nothing else is there.

    Raises:
        OSError: Something else lies there.
    """
    try:
        directory = _opened(place.parent)
    except FileNotFoundError:
        return
    try:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.stat(place.name, dir_fd=directory, follow_symlinks=False).st_mode):
                os.unlink(place.name, dir_fd=directory)
    finally:
        os.close(directory)
    place.parent.rmdir()


def connect(sock: socket.socket, place: Path, deadline: float) -> None:
    """Connect to the broker that listens at a place.

    Args:
        sock: The socket; it stays blocking.
        place: The broker's socket.
        deadline: Until when to try, on the monotonic clock.

    Raises:
        NotPrivate: The directory or the listener is not this user's, or others can get in.
        TimeoutError: It could not be done in time.
        OSError: Nobody listens there.
    """
    with _reachable(place) as path:
        while not _connected(sock, path):
            # The line of those who wait to be accepted is full.
            if time.monotonic() >= deadline:
                raise TimeoutError
            time.sleep(RETRY_S)
    if not is_trusted(uid := uid_of_peer(sock)):
        raise NotPrivate(f"a process of user {uid} listens in its place")


def _connected(sock: socket.socket, path: str) -> bool:
    sock.setblocking(False)
    try:
        sock.connect(path)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno != errno.EISCONN:
            raise
    finally:
        sock.setblocking(True)
    return True


def _bind(listener: socket.socket, path: str) -> None:
    try:
        listener.bind(path)
    except OSError as error:
        if error.errno in _NO_SOCKETS:
            raise _Unsuitable(*error.args) from error
        raise
    Path(path).chmod(0o600)
    listener.listen(BACKLOG)


@contextlib.contextmanager
def _reachable(place: Path) -> Iterator[str]:
    """Give a path of the socket that is short enough, in the directory that was looked at.

    Raises:
        NotPrivate: Others than this user, or root, can get into the directory.
        _Unsuitable: There is no such path.
    """
    directory = _opened(place.parent)
    try:
        _require_private(place.parent, os.fstat(directory))
        yield _short(place, directory)
    finally:
        os.close(directory)


def _short(place: Path, directory: int) -> str:
    if DESCRIPTORS.exists():
        return f"{DESCRIPTORS}/{directory}/{place.name}"
    path = str(place)
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise _Unsuitable(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
    return path


def _opened(directory: Path) -> int:
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _require_private(directory: Path, found: os.stat_result) -> None:
    if not is_trusted(found.st_uid):
        raise NotPrivate(f"{directory} belongs to user {found.st_uid}")
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise NotPrivate(f"others can get into {directory}")
