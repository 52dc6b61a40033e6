"""Taking a journal: its locks, and the certainty that nobody of an earlier run works on it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from persistq import failpoints
from persistq.errors import JournalBusy, JournalUnavailable
from persistq.journal.creation import make_directory
from persistq.journal.faults import reported
from persistq.journal.sqlite_reader import writer_of
from persistq.site.base import Site
from persistq.site.fence import Fence
from persistq.site.processes import this_node
from persistq.site.runlock import Holder, RunLock

LAST_BROKER_S: Final = 5.0
"""Longest wait for a broker that has let go of its lock file and is about to be gone."""


def possess(site: Site, path: Path, file: Path, *, fence_timeout: float) -> tuple[RunLock, Fence]:
    """Take a journal before it is opened; call `claim` once more when it is.

    Crash: the kernel releases the locks.

    Args:
        site: Where it lives.
        path: As it was given, for messages.
        file: The journal file, which may not exist yet.
        fence_timeout: Longest wait for workers of an earlier run, in seconds.

    Raises:
        JournalBusy: A live broker has it.
        JournalUnavailable: It has it by another path, or workers of an earlier run are at work.
    """
    with reported(path):
        make_directory(path.parent)
        before = site.holder()
        lock = site.lock()
        if not lock.acquire():
            raise _busy(path, site)
        _remove_leftovers(site, before)
        # Only now: whoever dies before leaves the next one the address.
        lock.withdraw()
        site.remember()
        if file.exists():
            claim(lock, file)
        fence = site.fence()
        failpoints.point("broker.before_fence_clear")
        _await_old_consumers(fence, path, fence_timeout)
        failpoints.point("broker.after_fence_clear")
    return lock, fence


def claim(lock: RunLock, file: Path) -> None:
    """Refuse to write beside another broker, by whatever way both came here.

    Raises:
        JournalUnavailable: There is one.
    """
    with reported(file):
        failpoints.point("broker.before_claim")
        if lock.claim(LAST_BROKER_S):
            return
    writer = writer_of(file)
    raise JournalUnavailable(
        str(file),
        f"{writer} is working on it by another path, or without its lock file "
        f"{lock.path.name}, which was deleted: wait for it or stop it",
    )


def _busy(path: Path, site: Site) -> JournalBusy:
    holder = site.holder()
    pid, node = (holder.peer.pid, holder.peer.node) if holder else (0, this_node())
    return JournalBusy(str(path), pid, node)


def _await_old_consumers(fence: Fence, path: Path, timeout: float) -> None:
    if not fence.wait_clear(timeout):
        pids = ", ".join(map(str, fence.keepers())) or "that cannot be seen from here"
        raise JournalUnavailable(
            str(path),
            f"workers of an earlier run are still at work (processes {pids}); wait for them or "
            "stop them, then run the script again",
        )
    fence.wipe()


def _remove_leftovers(site: Site, before: Holder | None) -> None:
    """Remove the sockets of brokers that were killed, wherever they had to be."""
    failpoints.point("broker.before_leftovers")
    site.clear(None if before is None else before.address)
