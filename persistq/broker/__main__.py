"""A broker's process, started by `persistq.client`.

Its argument is the number of an inherited socket to the process that starts it; what to open comes
on standard input, as `persistq.wire.messages.Opening` in JSON, because it holds a secret.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from persistq import failpoints
from persistq.broker.choice import require_beginning
from persistq.broker.elsewhere import require_no_other
from persistq.broker.link import Link
from persistq.broker.opening import open_load
from persistq.broker.possession import claim, possess
from persistq.broker.server import Broker
from persistq.errors import JournalError, JournalUnavailable, PersistqError
from persistq.journal.base import Journal
from persistq.journal.faults import reported
from persistq.journal.ground import examine
from persistq.journal.sqlite import open_journal
from persistq.site.base import Site
from persistq.site.endpoint import Endpoint
from persistq.site.fence import Fence
from persistq.site.finding import site_of
from persistq.site.processes import this_process
from persistq.site.runlock import Holder, RunLock
from persistq.text.streams import fill_descriptors, say
from persistq.wire.framing import opening_from_bytes
from persistq.wire.handshake import BrokerSide, OtherProtocol, Stranger
from persistq.wire.messages import Opening

GREETING_S: Final = 5.0
"""How long a broker that cannot serve waits for its starter to hear why."""


def main(argv: list[str] | None = None) -> int:
    """Run one broker until its last client has left.

    Returns:
        0, or the exit code of the error that its clients were told.
    """
    fill_descriptors()
    first = socket.socket(fileno=int((argv or sys.argv[1:])[0]))
    said = sys.stdin.buffer.read()
    try:
        opening = opening_from_bytes(said)
    except (ValueError, msgspec.MsgspecError):
        # The starter is of another release, and hears so from how this one greets.
        _greet(first, "")
        return JournalError.exit_code
    try:
        return _run(opening, first)
    except PersistqError as error:
        _tell(first, opening.token, error)
        return error.exit_code


def _tell(first: socket.socket, token: str, error: PersistqError) -> None:
    """Tell the starter what went wrong; if it has left already, whoever reads standard error."""
    if first.fileno() >= 0 and _greet(first, token):
        Link(first).refuse(error)
    else:
        say(f"persistq: {error}")


def _greet(first: socket.socket, token: str) -> bool:
    """Exchange proofs with the starter; False if that fails."""
    first.settimeout(GREETING_S)
    side = BrokerSide(token)
    try:
        while side.wanted:
            first.sendall(side.answer(first.recv(side.wanted, socket.MSG_WAITALL)))
    except OtherProtocol:
        with contextlib.suppress(OSError):
            first.sendall(side.farewell())
    except (Stranger, OSError):
        return False
    return not side.wanted


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
    file, version = examine(path)
    if version is None:
        require_beginning(opening)
    require_no_other(opening)
    site = site_of(str(file))
    lock, fence = possess(site, path, file, fence_timeout=opening.fence_timeout)
    journal = open_journal(path, durability=opening.durability)
    code = 1
    try:
        claim(lock, file)
        code = _serve(journal, opening, site, lock, fence, first)
    finally:
        # A journal that has failed is likely to fail again, and that has been told.
        with contextlib.suppress(*[JournalError] if code else []):
            journal.close()
    return code


def _serve(
    journal: Journal,
    opening: Opening,
    site: Site,
    lock: RunLock,
    fence: Fence,
    first: socket.socket,
) -> int:
    with reported(Path(opening.path)):
        opened = open_load(journal, opening)
        failpoints.point("broker.after_begin")
    with reported(Path(opening.path)):
        listening = _listen(site, lock, opening)
    try:
        with reported(Path(opening.path)):
            failpoints.point("broker.after_listen")
        broker = Broker(opening, journal, opened, listening.listener, fence)
        # First of all, so that it hears why if nothing comes of it; it may also be dead by now.
        return broker.serve(first) if _greet(first, opening.token) else 0
    finally:
        # On a disk that takes nothing any more the address stays, and counts for nothing.
        with contextlib.suppress(OSError):
            lock.withdraw()
        listening.close()


def _listen(site: Site, lock: RunLock, opening: Opening) -> Endpoint:
    """Listen at the best place there is.

    Crash: where that is stands in the lock file before it is made, so the next broker finds it.
    """
    for address in site.addresses():
        failpoints.point("broker.before_publish")
        lock.publish(_holder(opening, address))
        failpoints.point("broker.after_publish")
        if (listening := site.listen(address)) is not None:
            return listening
    raise JournalUnavailable(
        opening.path, "there is no place for a socket that only its user can reach"
    )


def _holder(opening: Opening, address: str) -> Holder:
    return Holder(this_process(), opening.kind, address, opening.token, time.time())


if __name__ == "__main__":
    sys.exit(main())
