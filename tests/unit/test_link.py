"""A connection as the broker sees it: nothing that arrived is lost, and nobody is waited for."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from persistq.broker import link as limits
from persistq.broker.link import Link
from persistq.items import IdRange
from persistq.peer import Peer
from persistq.wire.framing import FrameReader, NotUnderstood, frame, from_broker
from persistq.wire.messages import Answer, GiveBack, Hello, Role

HELLO = Hello(Peer("host", 1), "family", Role.CONSUMER)
Pair = tuple[Link, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A link, and the client's end of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(30)
        yield Link(ours), theirs


def reports(count: int) -> list[GiveBack]:
    """Return distinct messages."""
    return [GiveBack([IdRange(number, number)]) for number in range(count)]


def test_last_words_of_a_dead_client_are_heard(pair: Pair) -> None:
    """Failing to send to it does not hide what it had sent; its end comes after that."""
    link, client = pair
    client.sendall(frame(HELLO) + b"".join(map(frame, reports(3))))
    client.close()
    link.send(Answer(0, None))
    link.send(Answer(1, None))
    assert not link.gone
    assert link.receive() == [HELLO, *reports(3)]
    assert link.receive() == []
    assert link.gone


def test_last_words_are_heard_however_many(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the stream is seen only behind its last message."""
    monkeypatch.setattr(limits, "READ_BYTES", 7)
    link, client = pair
    client.sendall(b"".join(map(frame, reports(100))))
    client.close()
    heard: list[object] = []
    while not link.gone:
        heard += link.receive()
    assert heard == reports(100)


def test_busy_client_leaves_room_for_others(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look takes a bounded number of messages; the others stay in their order."""
    monkeypatch.setattr(limits, "READ_BYTES", 7)
    monkeypatch.setattr(limits, "READS_PER_TURN", 1000)
    link, client = pair
    link.accept(HELLO)
    client.sendall(b"".join(map(frame, reports(100))))
    first = link.receive()
    assert limits.MESSAGES_PER_TURN <= len(first) < 2 * limits.MESSAGES_PER_TURN
    assert first + link.receive_all() == reports(100)


def test_everything_that_has_arrived_means_by_now(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking for all of it comes to an end though the client goes on sending."""
    monkeypatch.setattr(limits, "READ_BYTES", 7)
    link, client = pair
    link.accept(HELLO)
    client.sendall(b"".join(map(frame, reports(30))))
    feed = link._reader.feed

    def feed_and_send(data: bytes) -> list[object]:
        client.sendall(frame(GiveBack([IdRange(1000, 1000)])))
        return feed(data)  # type: ignore[return-value]

    monkeypatch.setattr(link._reader, "feed", feed_and_send)
    assert link.receive_all()[:30] == reports(30)


def test_client_that_does_not_read_is_not_waited_for(pair: Pair) -> None:
    """What it does not take is kept, and reaches it whole and in order once it reads."""
    link, client = pair
    large = [Answer(number, b"x" * 700_000) for number in range(9)]
    for answer in large:
        link.send(answer)
    assert link.behind
    reader, heard = FrameReader(from_broker), []
    while len(heard) < len(large):
        heard += reader.feed(client.recv(1 << 20))
        link.push()
    assert heard == large
    assert not link.behind


def test_stranger_who_does_not_introduce_himself_is_dropped(pair: Pair) -> None:
    """Memory is not for everybody who finds the socket."""
    link, client = pair
    client.settimeout(0)
    client.send(b"\x7f\xff\xff\xff")
    with pytest.raises(NotUnderstood):
        link.receive()
