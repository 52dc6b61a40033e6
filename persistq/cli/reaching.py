"""The broker of a live run, as commands reach it: they are no part of the run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from persistq.errors import BrokerLost, BrokerSilent, JournalBusy, RunEnded
from persistq.site.finding import site_of

if TYPE_CHECKING:
    from persistq.client.connection import Connection
    from persistq.site.runlock import Holder
    from persistq.wire.messages import Welcome

_DIAL_S: Final = 30.0


def holder_of(path: str) -> Holder | None:
    """Return whose run is at work on a journal, where it can be reached from here."""
    site = site_of(path)
    holder = site.holder() if site.is_held() else None
    return holder if holder is not None and site.reaches(holder) else None


@contextmanager
def reached(name: str, path: str, holder: Holder) -> Iterator[tuple[Connection, Welcome]]:
    """Connect to the broker of a live run.

    Args:
        name: The name of the load.
        path: The journal.
        holder: Whose run it is.

    Raises:
        JournalBusy: It begins or ends at this moment.
        BrokerSilent: It does not answer.
    """
    from persistq.client.connection import Connection
    from persistq.client.handle import Handle
    from persistq.client.starting import new_token
    from persistq.wire.messages import Role

    token = new_token()
    handle = Handle(name, path, holder.address, holder.token, token, os.getpid(), 0, 0.0, _DIAL_S)
    try:
        connection, welcome = Connection.dial(handle, Role.CONTROL)
    except BrokerSilent:
        raise
    except (BrokerLost, RunEnded) as error:
        raise JournalBusy(path, holder.peer.pid, holder.peer.node) from error
    try:
        yield connection, welcome
    finally:
        connection.close()
