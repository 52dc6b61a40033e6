"""Connections to a broker that are made by hand, one step at a time."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from persistq import PersistentQueue
from persistq.client.handle import Handle
from persistq.site import endpoint
from persistq.wire.framing import FrameReader, frame, from_broker
from persistq.wire.handshake import GREETING_BYTES, PROOF_BYTES, ClientSide
from persistq.wire.messages import BrokerMessage, ClientMessage, Hello, Role

ANSWER_S = 30.0
Queue = PersistentQueue[Any]


def handle_of(queue: Queue) -> Handle:
    """Return what the queue's own connections use."""
    handle: Handle = queue._presence.handle
    return handle


def socket_of(queue: Queue) -> Path:
    """Return the broker's socket."""
    return Path(handle_of(queue).address)


def connected(queue: Queue) -> socket.socket:
    """Connect, and say nothing."""
    sock = socket.socket(socket.AF_UNIX)
    endpoint.connect(sock, Path(handle_of(queue).address), time.monotonic() + ANSWER_S)
    sock.settimeout(ANSWER_S)
    return sock


def exactly(sock: socket.socket, count: int) -> bytes:
    """Read so many bytes."""
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise ConnectionResetError("closed")
        data += more
    return data


def proven(queue: Queue, token: str = "") -> socket.socket:
    """Connect, and exchange proofs."""
    sock = connected(queue)
    side = ClientSide(token or handle_of(queue).token)
    try:
        sock.sendall(side.greeting)
        greeting = exactly(sock, GREETING_BYTES)
        sock.sendall(side.prove(greeting, exactly(sock, PROOF_BYTES)))
    except BaseException:
        sock.close()
        raise
    return sock


def hello_of(queue: Queue, role: Role) -> Hello:
    """Return an honest introduction."""
    handle = handle_of(queue)
    return Hello(os.getpid(), handle.family, role, handle.queue_id)


def introduced(queue: Queue, role: Role) -> socket.socket:
    """Connect, and become a client."""
    sock = proven(queue)
    say(sock, hello_of(queue, role))
    assert heard(sock)
    return sock


def say(sock: socket.socket, *messages: ClientMessage) -> None:
    """Send messages in one piece."""
    with suppress(BrokenPipeError):
        sock.sendall(b"".join(map(frame, messages)))


def heard(sock: socket.socket) -> list[BrokerMessage]:
    """Return the next messages; none if the broker has closed the connection."""
    reader = FrameReader(from_broker)
    with suppress(ConnectionError):
        while data := sock.recv(1 << 16):
            if messages := reader.feed(data):
                return messages
    return []


def is_closed(sock: socket.socket) -> bool:
    """Wait until the broker has closed a connection, whatever it says before."""
    try:
        while sock.recv(1 << 16):
            continue
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True
