"""Which pipelines run in this program, so that any of its processes can wake their sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistq.errors import BrokerLost, RunEnded

if TYPE_CHECKING:
    from persistq.client.handle import Handle

_handles: dict[str, Handle] = {}
"""By the name of the pipeline, as its program says it. Forked processes inherit it."""


def join(name: str, handle: Handle) -> None:
    """This process takes part in a run."""
    _handles[name] = handle


def leave(name: str) -> None:
    """The run is over."""
    _handles.pop(name, None)


def wake(name: str) -> bool:
    """Wake the sources of a pipeline; False if it does not run here, or has none to wake."""
    handle = _handles.get(name)
    if handle is None:
        return False
    from persistq.client.connection import Connection
    from persistq.wire.messages import Role, Wake

    try:
        connection, _ = Connection.dial(handle, Role.CONTROL)
        try:
            return bool(connection.ask(Wake))
        finally:
            connection.close()
    except (BrokerLost, RunEnded):
        return False
