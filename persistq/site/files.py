"""A journal in a file, with what keeps runs apart in the files beside it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from persistq import failpoints
from persistq.site import endpoint, register, runlock
from persistq.site.base import Catalogue, Site
from persistq.site.fence import Fence, Lookout, Post, fence_path
from persistq.site.naming import SUFFIX, is_name, journal_path, name_of, real_path, receipts_path
from persistq.site.ownership import require_own, require_own_directory
from persistq.site.processes import shares_kernel
from persistq.site.runlock import Holder, RunLock, lock_path

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class FileSite(Site):
    """A journal file, in ``<name>.lock``, ``<name>.workers`` and ``<name>.broker`` beside it.

    ``<name>.files`` has the receipts of files, if stages write into folders.

    Attributes:
        journal: The file's path.
    """

    journal: str

    @property
    def name(self) -> str:
        """The file's name, without its suffix."""
        return name_of(self.journal)

    def require_own(self) -> None:
        """Refuse a journal, existing or not, that a stranger has made or could change."""
        require_own(Path(self.journal))

    def is_held(self) -> bool:
        """Return whether a live process has the lock file."""
        return runlock.is_held(lock_path(self.journal))

    def holder(self) -> Holder | None:
        """Return what the lock file says."""
        return runlock.holder_of(lock_path(self.journal))

    def reaches(self, holder: Holder) -> bool:
        """Return whether a broker's socket can be reached: it is this kernel's."""
        return shares_kernel(holder.peer.host)

    def connect(self, sock: socket.socket, address: str, deadline: float) -> None:
        """Connect to the socket in the directory that an address means."""
        endpoint.connect(sock, endpoint.place_of(self.journal, address), deadline)

    def post(self) -> Post:
        """Take a place at the fence file, and at the journal file itself."""
        return Post(fence_path(self.journal), Path(self.journal))

    def lookout(self) -> Lookout:
        """Look at the slots of the fence file."""
        return Lookout(fence_path(self.journal))

    def lock(self) -> RunLock:
        """Return the lock of the lock file, and of the journal file itself; nothing is taken."""
        return RunLock(lock_path(self.journal), Path(self.journal))

    def fence(self) -> Fence:
        """Return the broker's side of the fence file."""
        return Fence(fence_path(self.journal), Path(self.journal))

    def addresses(self) -> Iterator[str]:
        """Yield directories for the socket: beside the journal, and for temporary files."""
        return endpoint.addresses(self.journal)

    def listen(self, address: str) -> endpoint.Endpoint | None:
        """Listen in a directory of its own; None if no socket can be made there.

        Crash: the directory and its socket are left over.
        """
        return endpoint.listen(self.journal, address)

    def clear(self, address: str | None) -> None:
        """Remove the sockets of dead brokers, and their directory.

        Args:
            address: Where the last one has listened; it may be elsewhere.
        """
        places = endpoint.beside(self.journal)
        if address is not None:
            places.append(endpoint.place_of(self.journal, address))
        for place in places:
            with contextlib.suppress(OSError, endpoint.NotPrivate):
                endpoint.remove_dead(place)

    def remove(self) -> None:
        """Remove the journal file, the fence and the lock; the lock last, so that it is held.

        Crash: the journal is there, or the files beside it are left over, empty of meaning.
        """
        Path(self.journal).unlink()
        failpoints.point("retention.half_removed")
        self.clear(None)
        receipts = receipts_path(self.journal)
        for place in (receipts, fence_path(self.journal), lock_path(self.journal)):
            place.unlink(missing_ok=True)

    def remember(self) -> None:
        """Note the directory in this user's register.

        Crash: it is noted or not; each start notes it again.
        """
        register.remember(Path(self.journal).parent)


@dataclass(frozen=True, slots=True)
class FileCatalogue(Catalogue):
    """The journal files of one directory.

    Attributes:
        directory: The directory, which may be missing.
    """

    directory: Path

    def site(self, name: str) -> FileSite:
        """Return where the journal of a name is, by a path without symbolic links."""
        return FileSite(str(real_path(journal_path(self.directory, name))))

    def sites(self) -> list[Site]:
        """Return the files that may be journals, sorted by name."""
        require_own_directory(self.directory)
        found = sorted(self.directory.glob(f"*{SUFFIX}"))
        return [FileSite(str(path)) for path in found if _may_be_a_journal(path)]


def _may_be_a_journal(path: Path) -> bool:
    return path.is_file() and is_name(path.name.removesuffix(SUFFIX))
