"""How both ends of a connection prove that they belong to the same run.

Before that, neither says more::

    client                                  broker
      │ greeting: protocol, release, nonce ──► │
      │ ◄── greeting: the same of its own      │
      │ ◄── proof that it knows the secret     │
      │ proof that it knows the secret ──────► │

A proof is an HMAC over both greetings, keyed with the run's token; so the token itself never
crosses the socket, and no answer can be used twice or sent back to who has asked. The form of a
greeting never changes: whoever speaks another protocol can say so. Nothing here does I/O.
"""

from __future__ import annotations

import hmac
import secrets
import struct
from typing import Final, NamedTuple

PROTOCOL: Final = 1
"""Raise it whenever a message changes."""

_FORM: Final = struct.Struct("!8sI24s32s")
_MAGIC: Final = b"persistq"
_NONCE_BYTES: Final = 32

GREETING_BYTES: Final = _FORM.size
PROOF_BYTES: Final = 32


class Stranger(Exception):
    """The peer does not belong to this run.

    Args:
        reason: How one can tell.
    """


class OtherProtocol(Stranger):
    """The peer is a persistq that speaks another protocol.

    Args:
        theirs: Its greeting.
    """

    def __init__(self, theirs: Greeting) -> None:
        super().__init__(
            f"it is persistq {theirs.release} (protocol {theirs.protocol}), and this program has "
            f"persistq {_release()} (protocol {PROTOCOL})"
        )


class Greeting(NamedTuple):
    """What each end says first.

    Attributes:
        protocol: Which messages it understands.
        release: Its version of persistq, for people.
        nonce: Random bytes that were never said before.
    """

    protocol: int
    release: str
    nonce: bytes


def new_greeting() -> bytes:
    """Return a greeting of this process."""
    release = _release().encode()
    return _FORM.pack(_MAGIC, PROTOCOL, release, secrets.token_bytes(_NONCE_BYTES))


def read_greeting(data: bytes) -> Greeting:
    """Return what a greeting says.

    Raises:
        Stranger: It is none.
        OtherProtocol: It is one of another protocol.
    """
    if len(data) != GREETING_BYTES or not data.startswith(_MAGIC):
        raise Stranger("it does not speak as a persistq does")
    _, protocol, release, nonce = _FORM.unpack(data)
    text = release.rstrip(b"\0").decode("ascii", "replace")
    greeting = Greeting(protocol, text if text.isprintable() else "?", nonce)
    if protocol != PROTOCOL:
        raise OtherProtocol(greeting)
    return greeting


def _proof(side: bytes, token: str, client: bytes, broker: bytes) -> bytes:
    return hmac.digest(token.encode(), side + client + broker, "sha256")


def _require(proof: bytes, expected: bytes) -> None:
    if not hmac.compare_digest(proof, expected):
        raise Stranger("it does not know the secret of this run")


def _release() -> str:
    from persistq import __version__

    return __version__


class ClientSide:
    """The client's moves.

    Args:
        token: The secret of the run.

    Attributes:
        greeting: What to send first.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self.greeting = new_greeting()

    def prove(self, greeting: bytes, proof: bytes) -> bytes:
        """Return the proof to send, when the broker has proven itself.

        Args:
            greeting: The broker's greeting.
            proof: The broker's proof.

        Raises:
            Stranger: It has not.
        """
        _require(proof, _proof(b"broker", self._token, self.greeting, greeting))
        return _proof(b"client", self._token, self.greeting, greeting)


class BrokerSide:
    """The broker's moves.

    Args:
        token: The secret of the run.

    Attributes:
        wanted: How many bytes the client is to send next; 0 when it has proven itself.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._client = self._greeting = b""
        self.wanted = GREETING_BYTES

    def answer(self, data: bytes) -> bytes:
        """Take the wanted bytes, and return what to answer.

        Raises:
            Stranger: The client has not proven itself.
        """
        return self._check(data) if self._client else self._greet(data)

    def farewell(self) -> bytes:
        """Return what to say to a client of another protocol, so that it knows."""
        return new_greeting() + bytes(PROOF_BYTES)

    def _greet(self, greeting: bytes) -> bytes:
        read_greeting(greeting)
        self._client, self._greeting = greeting, new_greeting()
        self.wanted = PROOF_BYTES
        return self._greeting + _proof(b"broker", self._token, self._client, self._greeting)

    def _check(self, proof: bytes) -> bytes:
        _require(proof, _proof(b"client", self._token, self._client, self._greeting))
        self.wanted = 0
        return b""
