"""One blocking connection from this process to its broker."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from persistq import errors, failpoints
from persistq.client.conversation import Conversation
from persistq.client.handle import Handle
from persistq.errors import (
    BrokerLost,
    BrokerSilent,
    JournalError,
    JournalUnavailable,
    PersistqError,
)
from persistq.site.endpoint import NotPrivate
from persistq.site.processes import this_process
from persistq.wire.framing import FrameReader, NotUnderstood, frame, from_broker, roomy
from persistq.wire.handshake import (
    GREETING_BYTES,
    PROOF_BYTES,
    ClientSide,
    OtherProtocol,
    Stranger,
    read_greeting,
)
from persistq.wire.messages import (
    Answer,
    BrokerMessage,
    ClientMessage,
    Hello,
    Refused,
    Role,
    Welcome,
)

READ_BYTES = 1 << 20

_open: weakref.WeakSet[Connection] = weakref.WeakSet()
_last_words: set[str] = set()


class Connection:
    """A stream of messages both ways; used by one thread at a time for each direction.

    Args:
        sock: A connected socket, which the connection owns.
        name: The load's name, for messages.
        token: The secret of the run, which tells its broker from others.

    Attributes:
        conversation: Guards steps that belong together.
        before_tear: Called before an end is made of an interrupted conversation.
    """

    def __init__(self, sock: socket.socket, name: str, token: str = "") -> None:
        self.name = name
        self.token = token
        self._sock = sock
        self._reader: FrameReader[BrokerMessage] = FrameReader(from_broker)
        self._inbox: deque[BrokerMessage] = deque()
        self._arrived: deque[bytes] = deque()
        self._blocked = 0  # the thread that waits
        self._torn = False
        self._seq = 0
        self.conversation = Conversation(self)
        self.before_tear: Callable[[], None] = lambda: None
        self._last_words: JournalError | None = None
        _open.add(self)

    @classmethod
    def dial(
        cls, handle: Handle, role: Role, timeout: float | None = None
    ) -> tuple[Connection, Welcome]:
        """Connect to a run's broker and introduce this process.

        Args:
            handle: The run.
            role: What the connection is for.
            timeout: Longest wait for all of it, in seconds; None means the handle's patience.

        Raises:
            BrokerSilent: It has not answered in time.
            BrokerLost: Nobody listens there any more.
            JournalUnavailable: It is another release, or it is not this user's who listens there.
            PersistqError: The broker refuses, for example `RunEnded`.
        """
        timeout = handle.patience if timeout is None else timeout
        deadline = time.monotonic() + timeout
        # Known from the first moment on, so that a fork closes it.
        connection = cls(socket.socket(socket.AF_UNIX), handle.name, handle.token)
        hello = Hello(this_process(), handle.family, role, handle.queue_id)
        try:
            connection._connect(handle, deadline)
            return connection, connection.greet(handle.journal, hello, timeout, deadline)
        except TimeoutError as error:
            connection.close()
            raise BrokerSilent(handle.name, timeout) from error
        except BaseException:
            connection.close()
            raise

    def _connect(self, handle: Handle, deadline: float) -> None:
        roomy(self._sock)
        try:
            failpoints.point("client.before_connect")
            handle.site.connect(self._sock, handle.address, deadline)
        except NotPrivate as error:
            raise JournalUnavailable(handle.journal, f"its broker is not safe: {error}") from error
        except TimeoutError:
            raise
        except OSError as error:
            raise self._lost(error) from error

    def greet(
        self, journal: str, hello: Hello, timeout: float, deadline: float | None = None
    ) -> Welcome:
        """Have the broker prove itself, introduce this process and return the broker's answer.

        Args:
            journal: The journal, for messages.
            hello: The introduction.
            timeout: Longest wait, in seconds.
            deadline: Its end on the monotonic clock, if it has begun before.

        Raises:
            BrokerSilent: It has not answered in time.
            BrokerLost: It is gone, or it is not it that answers.
            JournalUnavailable: It is another release.
            PersistqError: It refuses.
        """
        deadline = time.monotonic() + timeout if deadline is None else deadline
        try:
            self._exchange_proofs(deadline)
            # A broker that refuses at once may be gone before it hears this; it has said why.
            with contextlib.suppress(BrokerLost):
                self.send(hello)
            welcome = self.receive(max(0.0, deadline - time.monotonic()))
        except TimeoutError as error:
            raise BrokerSilent(self.name, timeout) from error
        except OtherProtocol as error:
            raise JournalUnavailable(journal, _other_release(error)) from error
        except Stranger as error:
            raise BrokerLost(self.name, f"what answers in its place is not it: {error}") from error
        if not isinstance(welcome, Welcome):
            raise self._not_understood()
        return welcome

    def _exchange_proofs(self, deadline: float) -> None:
        """Believe nothing, and say nothing that matters, before the broker has proven itself."""
        side = ClientSide(self.token)
        self._send(side.greeting)
        greeting = self._receive_exactly(GREETING_BYTES, deadline)
        read_greeting(greeting)
        self._send(side.prove(greeting, self._receive_exactly(PROOF_BYTES, deadline)))

    def _receive_exactly(self, count: int, deadline: float) -> bytes:
        received = b""
        while len(received) < count:
            self._wait(deadline)
            try:
                data = self._sock.recv(count - len(received))
            except OSError as error:
                raise self._lost(error) from error
            if not data:
                raise self._closed()
            received += data
        return received

    def fileno(self) -> int:
        """Return the socket's descriptor, for use in a selector."""
        return self._sock.fileno()

    def send(self, message: ClientMessage) -> None:
        """Send a message; returns when the kernel has it.

        Raises:
            BrokerLost: The broker is gone.
        """
        self._send(frame(message))

    def _send(self, data: bytes | bytearray) -> None:
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

    def receive(self, timeout: float | None = None) -> BrokerMessage:
        """Return the next message.

        Args:
            timeout: Longest wait in seconds; None waits for ever.

        Raises:
            TimeoutError: None came in time.
            BrokerLost: The broker is gone.
            PersistqError: The message is a refusal.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._inbox:
            self._wait(deadline)
            self._read()
        return self._checked(self._inbox.popleft())

    def poll(self) -> list[BrokerMessage]:
        """Return the messages that have arrived, without waiting.

        Raises:
            BrokerLost: The broker is gone.
            PersistqError: One of them is a refusal.
        """
        while self._arrived or self._take_in(socket.MSG_DONTWAIT):
            if self._inbox and not self._arrived[0]:
                # What it said before it went comes first; the next look finds it gone.
                break
            self._feed(self._arrived.popleft())
        heard: list[BrokerMessage] = []
        # A refusal is raised by the look that finds it first, so that nothing around it is missed.
        while self._inbox and not (heard and isinstance(self._inbox[0], Refused)):
            heard.append(self._checked(self._inbox.popleft()))
        return heard

    def ask(self, make: Any, *args: Any, kind: Any = Any) -> Any:
        """Send a numbered request and return the value of its answer.

        Only for connections on which nothing but answers arrive.

        Args:
            make: The request's class; its first field is the number.
            args: Its other fields.
            kind: The type of the answer's value.
        """
        with self.conversation:
            self._seq += 1
            self.send(make(self._seq, *args))
            while True:
                message = self.receive()
                if isinstance(message, Answer) and message.seq == self._seq:
                    return self._converted(message.value, kind)

    def _converted(self, value: Any, kind: Any) -> Any:
        try:
            return msgspec.convert(value, kind)
        except msgspec.MsgspecError as error:
            raise self._not_understood() from error

    def interrupted(self, error: BaseException) -> None:
        """Make an end if an exception from elsewhere struck this process in mid-conversation.

        It does no harm where it strikes mostly: in waiting.
        """
        waiting = self._blocked == threading.get_ident()
        if not waiting and not isinstance(error, PersistqError):
            self.tear()
        self._blocked = 0

    def tear(self) -> None:
        """Make an end: whatever is asked of this connection from now on is refused."""
        self._torn = True
        self.before_tear()
        self._sock.close()

    def close(self) -> None:
        """Close the socket; safe to call twice."""
        _open.discard(self)
        self._sock.close()

    def _wait(self, deadline: float | None) -> None:
        if deadline is None or self._torn or self._arrived:
            return
        remaining = max(0.0, deadline - time.monotonic())
        # select() fails on descriptors over 1023, which a large program has.
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        self._blocked = threading.get_ident()
        ready = poller.poll(remaining * 1000)
        self._blocked = 0
        if not ready:
            raise TimeoutError

    def _read(self) -> None:
        if not self._arrived:
            self._take_in()
        self._feed(self._arrived.popleft())

    def _take_in(self, flags: int = 0) -> bool:
        """Wait for bytes; False if the flags say not to wait and there are none."""
        self._blocked = threading.get_ident()
        try:
            # One step of the interpreter: bytes are never in between, whatever interrupts it.
            self._arrived.extend(map(self._sock.recv, (READ_BYTES,), (flags,)))
        except BlockingIOError:
            self._blocked = 0
            return False
        except OSError as error:
            self._blocked = 0
            raise self._lost(error) from error
        self._blocked = 0
        return True

    def _feed(self, data: bytes) -> None:
        if not data:
            raise self._closed()
        try:
            self._inbox += self._reader.feed(data)
        except NotUnderstood as error:
            raise self._not_understood() from error

    def _closed(self) -> PersistqError:
        return _gone(self.name, self.token, "it closed the connection")

    def _not_understood(self) -> BrokerLost:
        """Return what to raise when the broker makes no sense; nothing more is asked of it."""
        self.tear()
        return BrokerLost(self.name, "it said something that is not understood")

    def _lost(self, error: OSError) -> PersistqError:
        if self._torn:
            return BrokerLost(self.name, "this process was interrupted while it talked to it")
        return _gone(self.name, self.token, error.strerror or str(error))

    def last_words(self) -> JournalError | None:
        """Return the error of its journal with which the broker has left, if it has said so.

        Nothing is taken off the stream, which other threads may read.
        """
        messages: list[BrokerMessage] = list(self._inbox)
        with contextlib.suppress(OSError, NotUnderstood):
            data = self._sock.recv(READ_BYTES, socket.MSG_DONTWAIT | socket.MSG_PEEK)
            messages += self._reader.preview(data)
        for message in messages:
            if isinstance(message, Refused):
                self._note(self._refusal(message))
        return self._last_words

    def _note(self, error: PersistqError) -> None:
        if isinstance(error, JournalError):
            # It is the end, and several who use this connection may have to be told.
            self._last_words = error
            _last_words.add(str(error))

    def _checked(self, message: BrokerMessage) -> BrokerMessage:
        if not isinstance(message, Refused):
            return message
        error = self._refusal(message)
        self._note(error)
        raise error

    def _refusal(self, message: Refused) -> PersistqError:
        """Return the error that a refusal stands for."""
        kind = getattr(errors, message.error, None)
        try:
            if isinstance(kind, type) and issubclass(kind, PersistqError):
                return kind(*message.args)
        except (TypeError, ValueError):
            pass
        return self._not_understood()


def _other_release(error: OtherProtocol) -> str:
    return (
        f"its broker cannot be understood: {error}; use one release for both, or wait until that "
        "run is over, and start this program again"
    )


def _gone(name: str, token: str, reason: str) -> PersistqError:
    """Return why the broker went, if any connection of this process has heard it."""
    for connection in list(_open):
        if connection.token == token and (error := connection.last_words()) is not None:
            return error
    return BrokerLost(name, reason)


def all_last_words() -> frozenset[str]:
    """Return the errors of the journal with which brokers have left this process so far."""
    return frozenset(_last_words)


def _drop_in_child() -> None:
    # A forked child has copies of its parent's sockets. While it keeps one, the broker cannot see
    # that the parent is dead; so they are closed, and the child connects for itself.
    for connection in list(_open):
        connection.close()


os.register_at_fork(after_in_child=_drop_in_child)
