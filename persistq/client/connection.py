"""One blocking connection from this process to its broker: messages both ways."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from functools import partial
from typing import Any

import msgspec

from persistq import errors
from persistq.client import lastwords
from persistq.client.conversation import Conversation
from persistq.client.greeting import exchange_proofs, explained
from persistq.client.handle import Handle
from persistq.client.requests import Requests
from persistq.client.stream import Stream
from persistq.errors import (
    BrokerLost,
    BrokerSilent,
    JournalError,
    JournalUnavailable,
    PersistqError,
)
from persistq.site.endpoint import NotPrivate
from persistq.site.processes import this_process
from persistq.wire.framing import FrameReader, NotUnderstood, frame, from_broker
from persistq.wire.handshake import OtherProtocol, Stranger
from persistq.wire.messages import (
    Answer,
    BrokerMessage,
    ClientMessage,
    Hello,
    Refused,
    Role,
    Welcome,
)


class Connection:
    """A stream of messages both ways; used by one thread at a time for each direction.

    Args:
        sock: A connected socket, which the connection owns.
        name: The load's name, for messages.
        token: The secret of the run, which tells its broker from others.

    Attributes:
        stream: Its bytes.
        conversation: Guards steps that belong together.
        requests: Those that are answered by number.
    """

    def __init__(self, sock: socket.socket, name: str, token: str = "") -> None:
        self.name = name
        self.token = token
        self.stream = Stream(sock, name, partial(lastwords.why_gone, name, token))
        self.conversation = Conversation(self.stream)
        self.requests = Requests()
        self._reader: FrameReader[BrokerMessage] = FrameReader(from_broker)
        self._inbox: deque[BrokerMessage] = deque()
        self._last_words: JournalError | None = None
        lastwords.listen(self)

    @classmethod
    def dial(
        cls,
        handle: Handle,
        role: Role,
        timeout: float | None = None,
        *,
        together: int = 1,
        at_once: int = 1,
    ) -> tuple[Connection, Welcome]:
        """Connect to a run's broker and introduce this process.

        Args:
            handle: The run.
            role: What the connection is for.
            timeout: Longest wait for all of it, in seconds; None means the handle's patience.
            together: How many items a consumer begins together at most.
            at_once: How many attempts it works on at the same time.

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
        hello = Hello(
            this_process(),
            handle.family,
            role,
            handle.queue_id,
            together,
            handle.source_id,
            at_once,
        )
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
        try:
            self.stream.connect(handle.site, handle.address, deadline)
        except NotPrivate as error:
            raise JournalUnavailable(handle.journal, f"its broker is not safe: {error}") from error

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
            exchange_proofs(self.stream, self.token, deadline)
            # A broker that refuses at once may be gone before it hears this; it has said why.
            with contextlib.suppress(BrokerLost):
                self.send(hello)
            welcome = self.receive(max(0.0, deadline - time.monotonic()))
        except TimeoutError as error:
            raise BrokerSilent(self.name, timeout) from error
        except OtherProtocol as error:
            raise JournalUnavailable(journal, explained(error)) from error
        except Stranger as error:
            raise BrokerLost(self.name, f"what answers in its place is not it: {error}") from error
        if not isinstance(welcome, Welcome):
            raise self._not_understood()
        return welcome

    def fileno(self) -> int:
        """Return the socket's descriptor, for use in a selector."""
        return self.stream.fileno()

    def send(self, message: ClientMessage) -> None:
        """Send a message; returns when the kernel has it.

        Raises:
            BrokerLost: The broker is gone.
        """
        self.stream.send(frame(message))

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
            self.stream.wait(deadline)
            self._feed(self.stream.read())
        return self._checked(self._inbox.popleft())

    def poll(self) -> list[BrokerMessage]:
        """Return the messages that have arrived, without waiting.

        Raises:
            BrokerLost: The broker is gone.
            PersistqError: One of them is a refusal.
        """
        stream = self.stream
        # What it said before it went comes first; the next look finds it gone.
        while stream.has_some() and not (self._inbox and stream.at_end):
            self._feed(stream.read())
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
            number = self.request(make, *args)
            while not self.requests.answered(number):
                message = self.receive()
                if isinstance(message, Answer):
                    self.requests.heed(message)
            return self._converted(self.requests.answer_to(number), kind)

    def request(self, make: Any, *args: Any) -> int:
        """Send a numbered request, and return its number; who receives the answer heeds it.

        Args:
            make: The request's class; its first field is the number.
            args: Its other fields.
        """
        number = self.requests.number()
        self.send(make(number, *args))
        return number

    def _converted(self, value: Any, kind: Any) -> Any:
        try:
            return msgspec.convert(value, kind)
        except msgspec.MsgspecError as error:
            raise self._not_understood() from error

    def cut(self) -> None:
        """End it from any thread: who waits for it, or uses it later, finds the broker gone."""
        self.stream.cut()

    def close(self) -> None:
        """Close the socket; safe to call twice."""
        lastwords.listen_no_more(self)
        self.stream.close()

    def _feed(self, data: memoryview) -> None:
        if not data:
            raise self.stream.closed()
        try:
            self._inbox += self._reader.feed(data)
        except NotUnderstood as error:
            raise self._not_understood() from error

    def _not_understood(self) -> BrokerLost:
        """Return what to raise when the broker makes no sense; nothing more is asked of it."""
        self.stream.tear()
        return BrokerLost(self.name, "it said something that is not understood")

    def last_words(self) -> JournalError | None:
        """Return the error of its journal with which the broker has left, if it has said so.

        Nothing is taken off the stream, which other threads may read.
        """
        messages: list[BrokerMessage] = list(self._inbox)
        with contextlib.suppress(OSError, NotUnderstood):
            messages += self._reader.preview(self.stream.peek())
        for message in messages:
            if isinstance(message, Refused):
                self._note(self._refusal(message))
        return self._last_words

    def _note(self, error: PersistqError) -> None:
        if isinstance(error, JournalError):
            # It is the end, and several who use this connection may have to be told.
            self._last_words = error
            lastwords.note(error)

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
