"""The contract of a place where a journal lives, and of what lists such places.

A journal is a name, and beside it there is what keeps runs apart: a run lock that says where the
broker listens, the fence of its consumers, and the address itself. Here stands who asks for what;
`persistq.site.files` answers for a file and the files beside it. In PostgreSQL the place would be a
database and a load's name in it: what that would answer stands with each method.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from persistq.site.endpoint import Endpoint
    from persistq.site.fence import Fence, Lookout, Post
    from persistq.site.runlock import Holder, RunLock


class Site(ABC):
    """Where one journal lives, whether or not it exists.

    Attributes:
        journal: The place, as it is given in messages, handed to children, and told to a broker.
    """

    journal: str

    @property
    @abstractmethod
    def name(self) -> str:
        """The journal's name. In PostgreSQL: a column of the leader's row."""

    # --- whoever comes ---

    @abstractmethod
    def require_own(self) -> None:
        """Refuse a place where a stranger could plant items.

        In PostgreSQL: a schema that other roles may write.

        Raises:
            JournalUnavailable: It is such a place.
        """

    @abstractmethod
    def is_held(self) -> bool:
        """Return whether a live broker has the run lock. In PostgreSQL: an advisory lock."""

    @abstractmethod
    def holder(self) -> Holder | None:
        """Return who has said last where its broker listens, or None; it may be dead by now.

        In PostgreSQL: the leader's row, with its epoch.
        """

    # --- a client ---

    @abstractmethod
    def reaches(self, holder: Holder) -> bool:
        """Return whether this process can talk to a broker; if not, it is too far away.

        In PostgreSQL: always, over TCP.
        """

    @abstractmethod
    def connect(self, sock: socket.socket, address: str, deadline: float) -> None:
        """Connect to a broker.

        In PostgreSQL: over TLS, pinned to the certificate that the leader's row names.

        Args:
            sock: The socket; it stays blocking.
            address: As the broker's `Holder` says.
            deadline: Until when to try, on the monotonic clock.

        Raises:
            NotPrivate: It is not this user's broker that listens there, or others can get in.
            TimeoutError: It could not be done in time.
            OSError: Nobody listens there.
        """

    @abstractmethod
    def post(self) -> Post:
        """Take a consumer's place at the fence. In PostgreSQL: at that of its host's relay.

        Raises:
            OSError: That cannot be done.
        """

    @abstractmethod
    def lookout(self) -> Lookout:
        """Look at what this host's consumers have in hand. In PostgreSQL: at the relay's fence."""

    # --- the broker ---

    @abstractmethod
    def lock(self) -> RunLock:
        """Return the right to write the journal, not taken yet.

        In PostgreSQL: a session that holds an advisory lock, through which all commits go.
        """

    @abstractmethod
    def fence(self) -> Fence:
        """Return the broker's side of the fence.

        In PostgreSQL: the rows of hosts, of which each is fenced by its relay.
        """

    @abstractmethod
    def addresses(self) -> Iterator[str]:
        """Yield where to listen, best place first. In PostgreSQL: one host name and port."""

    @abstractmethod
    def listen(self, address: str) -> Endpoint | None:
        """Listen at an address; None if that cannot be done there.

        Crash: what is left over is taken away by `clear`.

        Raises:
            OSError: Another reason.
        """

    @abstractmethod
    def clear(self, address: str | None) -> None:
        """Take away what dead brokers have left here. In PostgreSQL: nothing.

        Where somebody listens it stays; so does what is not a broker's, which will be named if it
        is in the way.

        Args:
            address: Where the last one has listened; it may be elsewhere.
        """

    @abstractmethod
    def remove(self) -> None:
        """Take away the journal, and what is beside it. In PostgreSQL: the rows of its name.

        Call it with the run lock, and only if nobody else has the journal open.

        Crash: the journal is there, or some of what was beside it is left, which says nothing.

        Raises:
            OSError: That cannot be done.
        """

    @abstractmethod
    def remember(self) -> None:
        """Note for this user that there are journals here. In PostgreSQL: nothing.

        Crash: it is noted or not; each start notes it again.
        """


class Catalogue(ABC):
    """Where journals are, by name."""

    @abstractmethod
    def site(self, name: str) -> Site:
        """Return where the journal of a name is, whether or not it exists.

        Raises:
            UsageError: No journal can have this name.
        """

    @abstractmethod
    def sites(self) -> list[Site]:
        """Return where there may be journals, sorted by name; none if there is no such place.

        In PostgreSQL: one for each row of the table of loads.

        Raises:
            JournalUnavailable: It is somebody else's, or others may write it.
        """
