"""A process, named so that nobody else is meant: a number alone is another one's elsewhere."""

from __future__ import annotations

from typing import NamedTuple


class Peer(NamedTuple):
    """A process.

    Attributes:
        host: Where its number means something; see `persistq.site.processes`.
        pid: Its number there.
        started: When it started, in a unit of that host; 0 if that is unknown. So a number that was
            given to another process since is known for what it is.
        node: What people call the host.
    """

    host: str
    pid: int
    started: int = 0
    node: str = ""

    def __str__(self) -> str:
        """Return it for people."""
        return f"process {self.pid} on {self.node or 'another host'}"
