"""One connection as the broker sees it; it never blocks on its peer."""

from __future__ import annotations

import array
import fcntl
import socket
import termios
from collections import deque
from itertools import count

from persistq.errors import PersistqError
from persistq.peer import Peer
from persistq.wire.framing import FRAME_BYTES_MAX, FrameReader, frame, from_client, roomy
from persistq.wire.messages import BrokerMessage, ClientMessage, Hello, Refused, Role

READ_BYTES = 1 << 20
GREETING_BYTES_MAX = 1 << 16
READS_PER_TURN = 8
MESSAGES_PER_TURN = 16
"""Bound what one busy peer adds to a transaction, so that nobody waits long for his commit."""

_numbers = count(1)
"""Descriptors are used again while somebody may still be known by the old one."""

# One for all, as one thread reads: memory that is fetched for each read costs as much as the read.
_arrived = memoryview(bytearray(READ_BYTES))


class Link:
    """A client's socket, with what could not be sent yet.

    Args:
        sock: The connected socket; the link makes it non-blocking and owns it.

    Attributes:
        number: Identifies the link, and the consumer behind it.
        hello: How the client introduced itself, None until it was welcome.
        slots: Its slots in the fence: one for each attempt that it works on at the same time.
        worker_id: Its record in the journal, 0 for none.
        rss: Memory of its process as it has told last, in bytes; 0 if it has not.
        absorbs: Whether its puts may be repetitions of earlier ones.
        puts: Items it put so far.
        put_bytes: Bytes of them.
        windows: Answers with work it was sent so far.
        farewell: Whether it has said that it leaves on purpose.
        wants_push: Whether the loop waits for the peer to take more.
        gone: Whether the peer has closed, or must be dropped.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        roomy(sock)
        self.sock = sock
        self.number = next(_numbers)
        self.hello: Hello | None = None
        self.slots: list[int] = []
        self.worker_id = 0
        self.rss = 0
        self.absorbs = False
        self.puts = 0
        self.put_bytes = 0
        self.windows = 0
        self.farewell = False
        self.wants_push = False
        self.gone = False
        self._reader: FrameReader[ClientMessage] = FrameReader(from_client)
        # Nobody introduces himself at length.
        self._reader.longest = GREETING_BYTES_MAX
        self._unsent: deque[memoryview] = deque()

    def accept(self, hello: Hello) -> None:
        """Take the peer for a client; from now on its messages may be of any length."""
        self.hello = hello
        self._reader.longest = FRAME_BYTES_MAX

    @property
    def slot(self) -> int:
        """Its first slot in the fence, which is its lock; -1 for none."""
        return self.slots[0] if self.slots else -1

    @property
    def role(self) -> Role | None:
        """What the connection is for, None before the client has said so."""
        return None if self.hello is None else self.hello.role

    @property
    def family(self) -> str:
        """The program that the client belongs to."""
        return "" if self.hello is None else self.hello.family

    @property
    def pid(self) -> int:
        """The client's process, 0 while unknown."""
        return 0 if self.hello is None else self.hello.peer.pid

    @property
    def peer(self) -> Peer | None:
        """The client's process as it calls itself, None while unknown."""
        return None if self.hello is None else self.hello.peer

    @property
    def source_id(self) -> int:
        """The source that the client is, 0 for none."""
        return 0 if self.hello is None else self.hello.source_id

    @property
    def owner(self) -> tuple[str, int]:
        """The client's process: numbers alone may be the same in two containers."""
        return self.family, self.pid

    @property
    def behind(self) -> bool:
        """Whether the peer has not read all that was sent to it."""
        return bool(self._unsent)

    def receive(self) -> list[ClientMessage]:
        """Return messages that have arrived; marks the link gone at the end of the stream.

        What a dead peer managed to send is read before its end is seen.

        Raises:
            NotUnderstood: The peer does not speak this protocol.
        """
        messages: list[ClientMessage] = []
        for _ in range(READS_PER_TURN):
            data = self._read()
            messages += self._reader.feed(data)
            if len(data) < READ_BYTES or len(messages) >= MESSAGES_PER_TURN:
                break
        return messages

    def receive_all(self) -> list[ClientMessage]:
        """Return every message that has arrived by now, however many; else as `receive`."""
        messages: list[ClientMessage] = []
        left = _bytes_in(self.sock)
        while left > 0 and (data := self._read()):
            messages += self._reader.feed(data)
            left -= len(data)
        return messages

    def _read(self) -> memoryview:
        """Return some of what has arrived, for use before anything else is read.

        It is empty if nothing has arrived, or if the stream is at its end and the link gone.
        """
        try:
            size = self.sock.recv_into(_arrived, READ_BYTES)
        except BlockingIOError:
            return _arrived[:0]
        except OSError:
            size = 0
        self.gone |= not size
        return _arrived[:size]

    def send(self, message: BrokerMessage) -> None:
        """Send as much as the peer takes, and keep the rest for `push`."""
        self._unsent.append(memoryview(frame(message)))
        self.push()

    def refuse(self, error: PersistqError, seq: int = 0) -> None:
        """Tell the peer that something it asked for raised."""
        self.send(Refused(seq, type(error).__name__, list(error.args)))

    def push(self) -> None:
        """Send what was kept, as far as the peer takes it."""
        try:
            while self._unsent:
                sent = self.sock.send(self._unsent[0])
                rest = self._unsent.popleft()[sent:]
                if rest:
                    self._unsent.appendleft(rest)
        except BlockingIOError:
            return
        except OSError:
            # The peer is dead. What it sent is still to be read, so `receive` decides the end.
            self._unsent.clear()


def _bytes_in(sock: socket.socket) -> int:
    """Return how many bytes a socket holds for its reader."""
    count = array.array("i", [0])
    fcntl.ioctl(sock, termios.FIONREAD, count)
    return count[0]
