"""Connections that are no clients yet: they hold nothing up, and there are not many of them.

Whoever connects has a few seconds to prove that it belongs to the run and to introduce itself;
until then it costs a descriptor and a hundred bytes.
"""

from __future__ import annotations

import errno
import selectors
import socket
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Final

from persistq.broker.link import Link
from persistq.site.credentials import is_trusted, uid_of_peer
from persistq.wire.handshake import BrokerSide, OtherProtocol, Stranger

DEADLINE_S: Final = 10.0
"""How long a connection has to introduce itself."""

ARRIVALS_MAX: Final = 256
CROWDED_S: Final = 0.25
"""When there are so many, who has come longer ago than that makes room."""

PAUSE_S: Final = 0.1
"""How long nobody is let in after it was not possible."""

ACCEPTED_PER_TURN: Final = 64

_NO_MORE_FILES: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class _Arrival:
    """One connection.

    Args:
        sock: The socket.
        token: The secret of the run.
        since: When it came.

    Attributes:
        link: The client that it is going to be, once it is proven.
        gone: Whether it is to be dropped.
    """

    def __init__(self, sock: socket.socket, token: str, since: float) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.since = since
        self.link: Link | None = None
        self._gone = False
        self._side = BrokerSide(token)
        self._heard = b""

    @property
    def gone(self) -> bool:
        return self._gone or (self.link is not None and self.link.gone)

    def advance(self) -> None:
        """Take the next move of the handshake, if it has come."""
        try:
            self._read()
        except OtherProtocol:
            self._send(self._side.farewell())
            self._gone = True
        except (Stranger, OSError):
            self._gone = True

    def _read(self) -> None:
        try:
            # Never more than belongs to the handshake: what follows is the link's to read.
            data = self.sock.recv(self._side.wanted - len(self._heard))
        except BlockingIOError:
            return
        self._gone = not data
        self._heard += data
        if len(self._heard) == self._side.wanted:
            heard, self._heard = self._heard, b""
            self._send(self._side.answer(heard))
            if not self._side.wanted:
                self.link = Link(self.sock)

    def _send(self, data: bytes) -> None:
        # There is room for so few bytes, or the peer has sent without reading and is dropped.
        if data and self.sock.send(data) < len(data):
            self._gone = True


class Arrivals:
    """All of them.

    Args:
        listener: Where they come from.
        selector: Waits for all sockets of the broker.
        token: The secret of the run.
        attend: Called with a proven connection's link whenever there is something to read.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        listener: socket.socket,
        selector: selectors.BaseSelector,
        token: str,
        attend: Callable[[Link, int], None],
        clock: Callable[[], float],
    ) -> None:
        self._listener = listener
        self._selector = selector
        self._token = token
        self._attend = attend
        self._clock = clock
        self._waiting: dict[int, _Arrival] = {}
        self._closed_until = 0.0
        listener.setblocking(False)
        self._open()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def admit(self, sock: socket.socket) -> None:
        """Let a connection prove itself."""
        arrival = _Arrival(sock, self._token, self._clock())
        self._waiting[sock.fileno()] = arrival
        self._selector.register(sock, selectors.EVENT_READ, partial(self._hear, arrival))

    def admit_proven(self, sock: socket.socket) -> None:
        """Let a connection introduce itself that has been proven before: the starter's."""
        self.admit(sock)
        self._waiting[sock.fileno()].link = Link(sock)

    def proven(self) -> list[Link]:
        """Return those that have proven themselves."""
        return [arrival.link for arrival in self._waiting.values() if arrival.link is not None]

    def leave(self, link: Link) -> None:
        """A connection has become a client, and is no arrival any more."""
        del self._waiting[link.sock.fileno()]
        attend = partial(self._attend, link)
        self._selector.modify(link.sock, selectors.EVENT_READ, attend)

    def due(self) -> list[float]:
        """Return when there is something to do though nobody says anything."""
        # The first one came first.
        times = [arrival.since + DEADLINE_S for arrival in islice(self._waiting.values(), 1)]
        return [*times, self._closed_until] if self._closed_until else times

    def sweep(self) -> None:
        """Drop who has gone or lets us wait, and let others in again."""
        now = self._clock()
        for arrival in list(self._waiting.values()):
            if arrival.gone or arrival.since + DEADLINE_S <= now:
                self._drop(arrival)
        if self._closed_until and self._closed_until <= now:
            self._open()

    def close(self) -> None:
        """Let nobody in any more."""
        for arrival in list(self._waiting.values()):
            self._drop(arrival)
        self._listener.close()

    # --- inside ---

    def _open(self) -> None:
        self._closed_until = 0.0
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _pause(self) -> None:
        """Wait with the next one: the selector would report it again and again."""
        self._closed_until = self._clock() + PAUSE_S
        self._selector.unregister(self._listener)

    def _accept(self, _: int) -> None:
        for _ in range(ACCEPTED_PER_TURN):
            if not self._has_room():
                self._pause()
                return
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                self._not_accepted(error)
                return
            self._look_at(sock)

    def _look_at(self, sock: socket.socket) -> None:
        """Turn other users away, should one ever come so far."""
        try:
            known = is_trusted(uid_of_peer(sock))
        except OSError:
            known = False
        if known:
            self.admit(sock)
        else:
            sock.close()

    def _not_accepted(self, error: OSError) -> None:
        """Go on with the clients that there are; others are served as soon as it is possible."""
        if error.errno in _NO_MORE_FILES:
            self._make_room()
            self._pause()

    def _has_room(self) -> bool:
        return len(self._waiting) < ARRIVALS_MAX or self._make_room()

    def _make_room(self) -> bool:
        """Drop all who let us wait; False if there is nobody who could be suspected of idling."""
        since = self._clock() - CROWDED_S
        idle = [arrival for arrival in self._waiting.values() if arrival.since <= since]
        for arrival in idle:
            self._drop(arrival)
        return bool(idle)

    def _hear(self, arrival: _Arrival, mask: int) -> None:
        if arrival.link is None:
            arrival.advance()
        if arrival.link is not None:
            self._attend(arrival.link, mask)

    def _drop(self, arrival: _Arrival) -> None:
        del self._waiting[arrival.sock.fileno()]
        self._selector.unregister(arrival.sock)
        arrival.sock.close()
