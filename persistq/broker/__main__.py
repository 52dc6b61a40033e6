"""A broker's process, started by `persistq.client`.

Its argument is the number of an inherited socket to the process that starts it; what to open comes
on standard input, as `persistq.broker.wire.Opening` in JSON, because it holds a secret.
"""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from persistq import failpoints
from persistq.broker.choice import require_beginning
from persistq.broker.link import Link
from persistq.broker.opening import open_load
from persistq.broker.server import Broker
from persistq.broker.wire import Opening
from persistq.errors import JournalBusy, JournalError, JournalUnavailable, PersistqError
from persistq.fence import Fence, fence_path
from persistq.journal.base import Journal
from persistq.journal.creation import make_directory
from persistq.journal.faults import reported
from persistq.journal.ground import examine
from persistq.journal.sqlite import open_journal
from persistq.runlock import Holder, RunLock, holder_of, lock_path


def main(argv: list[str] | None = None) -> int:
    """Run one broker until its last client has left.

    Returns:
        0, or the exit code of the error that its clients were told.
    """
    first = socket.socket(fileno=int((argv or sys.argv[1:])[0]))
    opening = msgspec.json.decode(sys.stdin.read(), type=Opening)
    try:
        return _run(opening, first)
    except PersistqError as error:
        _tell(first, error)
        return error.exit_code


def _tell(first: socket.socket, error: PersistqError) -> None:
    """Tell the starter what went wrong; if it has left already, whoever reads standard error."""
    if first.fileno() >= 0:
        Link(first).refuse(error)
    else:
        print(f"persistq: {error}", file=sys.stderr)  # noqa: T201 - nobody else is left


def _run(opening: Opening, first: socket.socket) -> int:
    # Items by the hundred thousand live here and hold no cycles; to search them again and again
    # for cycles took a tenth of the time.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    # Ctrl-C, `timeout` and a service's stop signal the whole group. Ending a run is its program's
    # decision, for which it needs the broker; when the program has ended, so does this.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    path = Path(opening.path)
    # Nothing is made beside a file that is not ours, or on ground that cannot carry a journal.
    _, version = examine(path)
    if version is None:
        require_beginning(opening)
    with reported(path):
        make_directory(path.parent)
        lock = RunLock(lock_path(opening.path))
        if not lock.acquire():
            raise _busy(opening)
        fence = Fence(fence_path(opening.path))
        failpoints.point("broker.before_fence_clear")
        _await_old_consumers(fence, opening)
        failpoints.point("broker.after_fence_clear")
    journal = open_journal(path, durability=opening.durability)
    code = 1
    try:
        code = _serve(journal, opening, lock, fence, first)
    finally:
        # A journal that has failed is likely to fail again, and that has been told.
        with contextlib.suppress(*[JournalError] if code else []):
            journal.close()
    return code


def _serve(
    journal: Journal, opening: Opening, lock: RunLock, fence: Fence, first: socket.socket
) -> int:
    with reported(Path(opening.path)):
        opened = open_load(journal, opening)
        failpoints.point("broker.after_begin")
    listener, address = _listen()
    broker = Broker(opening, journal, opened, listener, fence)
    with reported(Path(opening.path)):
        failpoints.point("broker.before_publish")
        lock.publish(_holder(opening, address, opening.token))
        failpoints.point("broker.after_publish")
    try:
        return broker.serve(first)
    finally:
        # On a disk that takes nothing any more the address stays, and counts for nothing.
        with contextlib.suppress(OSError):
            lock.withdraw()
        _unlink(address)


def _busy(opening: Opening) -> JournalBusy:
    holder = holder_of(lock_path(opening.path))
    pid, host = (holder.pid, holder.host) if holder else (0, socket.gethostname())
    return JournalBusy(opening.path, pid, host)


def _await_old_consumers(fence: Fence, opening: Opening) -> None:
    if not fence.wait_clear(opening.fence_timeout):
        pids = ", ".join(map(str, fence.keepers()))
        raise JournalUnavailable(
            opening.path,
            f"workers of an earlier run are still at work (processes {pids}); wait for them or "
            "stop them, then run the script again",
        )
    fence.wipe()


def _listen() -> tuple[socket.socket, str]:
    """Listen on a name that no crash leaves behind where the system has such names."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    name = f"persistq-{secrets.token_hex(12)}"
    address = f"@{name}"
    if sys.platform == "linux":
        listener.bind(f"\0{name}")
    else:
        address = str(Path(tempfile.gettempdir()) / name)
        listener.bind(address)
        Path(address).chmod(0o600)
    listener.listen(1024)
    return listener, address


def _unlink(address: str) -> None:
    if not address.startswith("@"):
        Path(address).unlink(missing_ok=True)


def _holder(opening: Opening, address: str, token: str) -> Holder:
    return Holder(os.getpid(), socket.gethostname(), opening.kind, address, token, time.time())


if __name__ == "__main__":
    sys.exit(main())
