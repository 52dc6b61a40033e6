"""Bytes to and from a broker, and whether an interruption has left them half done."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from persistq import failpoints
from persistq.errors import BrokerLost, PersistqError
from persistq.site.endpoint import NotPrivate
from persistq.wire.framing import roomy

if TYPE_CHECKING:
    from persistq.site.base import Site

READ_BYTES = 1 << 18


class Stream:
    """A socket; used by one thread at a time for each direction.

    Args:
        sock: The socket, which the stream owns.
        name: The load's name, for messages.
        gone: Makes the error that says why the broker is gone, from what the system says.

    Attributes:
        before_tear: Called before an end is made of an interrupted stream.
    """

    def __init__(
        self, sock: socket.socket, name: str, gone: Callable[[str], PersistqError]
    ) -> None:
        self._sock = sock
        self._name = name
        self._gone = gone
        # Bytes are read into one place: `recv` makes room for the longest message at each call,
        # which costs more than the rest of it.
        self._bytes = memoryview(bytearray(READ_BYTES))
        self._arrived: deque[int] = deque()  # how many bytes were read and not taken; one number
        self._waiter = 0  # the thread that waits
        self._torn = False
        self.before_tear: Callable[[], None] = lambda: None

    def connect(self, site: Site, address: str, deadline: float) -> None:
        """Connect to the broker that listens at an address of a site.

        Raises:
            NotPrivate: Others can enter it, or it is not this user's who listens there.
            TimeoutError: It has not answered by the deadline, on the monotonic clock.
            BrokerLost: Nobody listens there.
        """
        roomy(self._sock)
        try:
            failpoints.point("client.before_connect")
            site.connect(self._sock, address, deadline)
        except (NotPrivate, TimeoutError):
            raise
        except OSError as error:
            raise self._lost(error) from error

    def fileno(self) -> int:
        """Return the socket's descriptor, for use in a selector."""
        return self._sock.fileno()

    def send(self, data: bytes | bytearray) -> None:
        """Send bytes; returns when the kernel has them.

        Raises:
            BrokerLost: The broker is gone.
        """
        try:
            failpoints.point("client.before_send")
            self._sock.sendall(data)
            failpoints.point("client.after_send")
        except OSError as error:
            raise self._lost(error) from error
        except BaseException:
            # Interrupted; nobody knows how much of it was sent.
            self.tear()
            raise

    def wait(self, deadline: float | None) -> None:
        """Wait until there is something to read, if there is a limit to the wait.

        Raises:
            TimeoutError: Nothing came by the deadline, on the monotonic clock.
        """
        if deadline is None or self._torn or self._arrived:
            return
        remaining = max(0.0, deadline - time.monotonic())
        # select() fails on descriptors over 1023, which a large program has.
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        self._waiter = threading.get_ident()
        ready = poller.poll(remaining * 1000)
        self._waiter = 0
        if not ready:
            raise TimeoutError

    def read(self) -> memoryview:
        """Wait for bytes and return them, to be used before more is read; none at the end."""
        if not self._arrived:
            self._take_in()
        return self._bytes[: self._arrived.popleft()]

    def has_some(self) -> bool:
        """Return whether `read` would not wait."""
        return bool(self._arrived) or self._take_in(socket.MSG_DONTWAIT)

    @property
    def at_end(self) -> bool:
        """Whether what `read` returns is the end."""
        return bool(self._arrived) and not self._arrived[0]

    def read_exactly(self, count: int, deadline: float) -> bytes:
        """Return so many bytes, and take no more.

        Raises:
            TimeoutError: They did not come by the deadline, on the monotonic clock.
            BrokerLost: The broker is gone.
        """
        received = b""
        while len(received) < count:
            self.wait(deadline)
            try:
                data = self._sock.recv(count - len(received))
            except OSError as error:
                raise self._lost(error) from error
            if not data:
                raise self.closed()
            received += data
        return received

    def peek(self) -> bytes:
        """Return what has come and was not read, and leave it there for who reads.

        Raises:
            OSError: There is nothing, or no socket any more.
        """
        return self._sock.recv(READ_BYTES, socket.MSG_DONTWAIT | socket.MSG_PEEK)

    def interrupted(self, error: BaseException) -> None:
        """Make an end if an exception from elsewhere struck this process in mid-conversation.

        It does no harm where it strikes mostly: in waiting.
        """
        waiting = self._waiter == threading.get_ident()
        if not waiting and not isinstance(error, PersistqError):
            self.tear()
        self._waiter = 0

    def tear(self) -> None:
        """Make an end: whatever is asked of this stream from now on is refused."""
        self._torn = True
        self.before_tear()
        self._sock.close()

    def cut(self) -> None:
        """End both directions from any thread: who reads or sends finds the broker gone."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket; safe to call twice."""
        self._sock.close()

    def closed(self) -> PersistqError:
        """Return what to raise when the broker has closed its end."""
        return self._gone("it closed the connection")

    def _take_in(self, flags: int = 0) -> bool:
        """Wait for bytes; False if the flags say not to wait and there are none."""
        self._waiter = threading.get_ident()
        try:
            # One step of the interpreter: bytes are never in between, whatever interrupts it.
            self._arrived.extend(map(self._sock.recv_into, (self._bytes,), (0,), (flags,)))
        except BlockingIOError:
            self._waiter = 0
            return False
        except OSError as error:
            self._waiter = 0
            raise self._lost(error) from error
        self._waiter = 0
        return True

    def _lost(self, error: OSError) -> PersistqError:
        if self._torn:
            return BrokerLost(self._name, "this process was interrupted while it talked to it")
        return self._gone(error.strerror or str(error))
