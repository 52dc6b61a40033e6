"""With which errors brokers have left this process, whichever of its connections has heard them.

A broker whose journal fails tells every client, and ends. Some connections of a process are read
all the time and others seldom; whoever finds the broker gone asks all of them why.
"""

from __future__ import annotations

import weakref
from typing import Protocol

from persistq import forking
from persistq.errors import BrokerLost, JournalError, PersistqError


class Listening(Protocol):
    """Who may have heard why a broker went: a connection."""

    token: str

    def last_words(self) -> JournalError | None:
        """Return the error with which the broker has left, if it has said so."""

    def close(self) -> None:
        """Close it."""


_open: weakref.WeakSet[Listening] = weakref.WeakSet()
_heard: set[str] = set()


def listen(connection: Listening) -> None:
    """Count a connection among those that are open."""
    _open.add(connection)


def listen_no_more(connection: Listening) -> None:
    """Count a connection among those that are closed."""
    _open.discard(connection)


def note(error: JournalError) -> None:
    """Note with which error a broker has left."""
    _heard.add(str(error))


def all_last_words() -> frozenset[str]:
    """Return the errors of the journal with which brokers have left this process so far."""
    return frozenset(_heard)


def why_gone(name: str, token: str, reason: str) -> PersistqError:
    """Return why a broker went, if any connection of this process has heard it.

    Args:
        name: The load's name, for messages.
        token: The secret of the run, which tells its broker from others.
        reason: What the system says, for want of anything better.
    """
    for connection in list(_open):
        if connection.token == token and (error := connection.last_words()) is not None:
            return error
    return BrokerLost(name, reason)


def _close_all() -> None:
    # A forked child has copies of its parent's sockets. While it keeps one, the broker cannot see
    # that the parent is dead; so they are closed, and the child connects for itself.
    for connection in list(_open):
        connection.close()


forking.at_fork(forking.Step.CONNECTIONS, after_in_child=_close_all)
