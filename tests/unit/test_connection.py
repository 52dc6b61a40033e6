"""What a client hears, in which order, and what raises."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from persistq import QueueClosed
from persistq.client.connection import Connection
from persistq.wire.framing import frame
from persistq.wire.messages import Accepted, Journaled, Refused

REFUSED = frame(Refused(0, "QueueClosed", ["work"]))


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    """A connection, and the broker's end of it."""
    ours, theirs = socket.socketpair()
    connection = Connection(ours, "work")
    with theirs:
        yield connection, theirs
    connection.close()


def test_what_comes_with_a_refusal_is_heard_after_it(
    pair: tuple[Connection, socket.socket],
) -> None:
    """A flush would otherwise wait for ever for a receipt that has come."""
    connection, broker = pair
    broker.sendall(REFUSED + frame(Journaled(3)))
    with pytest.raises(QueueClosed):
        connection.poll()
    assert connection.receive(timeout=1) == Journaled(3)


def test_what_comes_before_a_refusal_is_heard_before_it(
    pair: tuple[Connection, socket.socket],
) -> None:
    """The next look finds the refusal."""
    connection, broker = pair
    broker.sendall(frame(Journaled(1)) + frame(Accepted(ok=True)) + REFUSED + frame(Journaled(2)))
    assert connection.poll() == [Journaled(1), Accepted(ok=True)]
    with pytest.raises(QueueClosed):
        connection.poll()
    assert connection.poll() == [Journaled(2)]
    assert connection.poll() == []
