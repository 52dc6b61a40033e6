"""Messages as bytes: how they cross a socket.

A frame is a four-byte big-endian length and a MessagePack array, whose first element names the
message. Nothing here does I/O.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import msgspec

from persistq.text.ostext import native, portable
from persistq.text.terminal import encodable
from persistq.wire.messages import (
    BrokerMessage,
    ClientMessage,
    Done,
    Opening,
    Outputs,
    Put,
    Spool,
    Stream,
)

M = TypeVar("M")

LENGTH_BYTES: Final = 4
PAYLOAD_BYTES_MAX: Final = 1_000_000_000
"""SQLite takes no more in one row."""

FRAME_BYTES_MAX: Final = (1 << 8 * LENGTH_BYTES) - 1
SOCKET_BYTES: Final = 1 << 20

_encode_into: Final = msgspec.msgpack.Encoder().encode_into
_client_decoder: Final[msgspec.msgpack.Decoder[ClientMessage]] = msgspec.msgpack.Decoder(
    ClientMessage
)
_broker_decoder: Final[msgspec.msgpack.Decoder[BrokerMessage]] = msgspec.msgpack.Decoder(
    BrokerMessage
)


class NotUnderstood(ValueError):
    """Bytes that are none of the peer's messages."""


def roomy(sock: socket.socket) -> None:
    """Let a socket hold more than the system's default, as far as the system allows.

    So one side goes on while the other is busy, and large items change sides in one piece.
    """
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)


def frame(message: ClientMessage | BrokerMessage) -> bytearray:
    """Return a message as one frame.

    Raises:
        OverflowError: The message has more than 4 GiB.
    """
    framed = bytearray(LENGTH_BYTES)
    try:
        _encode_into(message, framed, LENGTH_BYTES)
    except UnicodeEncodeError:
        _encode_into(_encodable(message), framed, LENGTH_BYTES)
    framed[:LENGTH_BYTES] = (len(framed) - LENGTH_BYTES).to_bytes(LENGTH_BYTES, "big")
    return framed


def _encodable(message: Any) -> Any:
    """Return a message without the lone surrogates that texts of errors and file names may hold."""
    fields = {name: _clean(getattr(message, name)) for name in message.__struct_fields__}
    return msgspec.structs.replace(message, **fields)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return encodable(value)
    return [_clean(one) for one in value] if isinstance(value, list | tuple) else value


class FrameReader(Generic[M]):
    """Cuts a byte stream into messages; a half-written last frame is never a message.

    Args:
        decode: Turns the body of a frame into a message.

    Attributes:
        longest: How many bytes the body of a frame may have.
    """

    def __init__(self, decode: Callable[[memoryview], M]) -> None:
        self._decode = decode
        self._buffer = bytearray()
        self.longest = FRAME_BYTES_MAX

    def feed(self, data: bytes | memoryview) -> list[M]:
        """Add bytes as they came from the socket; return the messages they complete.

        Raises:
            NotUnderstood: A frame is too long, or not one of the peer's messages.
        """
        if not self._buffer:
            # Mostly bytes come as whole frames, which need not be kept.
            messages, used = self._cut(data)
            self._buffer += memoryview(data)[used:]
            return messages
        self._buffer += data
        messages, used = self._cut(self._buffer)
        del self._buffer[:used]
        return messages

    def _cut(self, data: bytes | bytearray | memoryview) -> tuple[list[M], int]:
        """Return the complete messages, and how many bytes they take."""
        messages, start, size = [], 0, len(data)
        with memoryview(data) as view:
            while size - start >= LENGTH_BYTES:
                body = start + LENGTH_BYTES
                length = int.from_bytes(view[start:body], "big")
                end = body + length
                if end > size:
                    self._require_brevity(length)
                    break
                messages.append(self._decode(view[body:end]))
                start = end
        return messages, start

    def _require_brevity(self, length: int) -> None:
        """Refuse to keep the beginning of a frame that is going to be too long."""
        if length > self.longest:
            raise NotUnderstood(f"a frame of {length:,} bytes")

    def preview(self, data: bytes) -> list[M]:
        """Return the messages that these bytes would complete, without taking them in."""
        other = FrameReader(self._decode)
        return other.feed(bytes(self._buffer) + data)


def opening_to_bytes(opening: Opening) -> bytes:
    """Return what a broker is to open as it reads it from its standard input.

    JSON of the standard library, because it also holds paths and arguments that are no UTF-8.
    """
    sent = msgspec.structs.replace(opening, path=portable(opening.path))
    return json.dumps(msgspec.to_builtins(sent)).encode()


def opening_from_bytes(data: bytes) -> Opening:
    """Return what to open; its path is this process's own.

    Raises:
        ValueError: It is no opening.
    """
    sent = msgspec.convert(json.loads(data), Opening)
    return msgspec.structs.replace(sent, path=native(sent.path))


def from_client(body: memoryview) -> ClientMessage:
    """Decode a frame that a client sent.

    Raises:
        NotUnderstood: It is not one of a client's messages, or none that a journal can take.
    """
    message = _decoded(_client_decoder, body)
    if len(body) > PAYLOAD_BYTES_MAX and not _is_storable(message):
        raise NotUnderstood(f"an item of more than {PAYLOAD_BYTES_MAX:,} bytes")
    return message


def from_broker(body: memoryview) -> BrokerMessage:
    """Decode a frame that a broker sent.

    Raises:
        NotUnderstood: It is not one of a broker's messages.
    """
    return _decoded(_broker_decoder, body)


def _is_storable(message: ClientMessage) -> bool:
    """Return whether a message is long because of many blocks, none of which is too long."""
    bearers = message.outputs if isinstance(message, Done) else [message]
    return all(
        isinstance(bearer, Put | Outputs | Spool | Stream)
        and all(len(block.data) <= PAYLOAD_BYTES_MAX for block in bearer.blocks)
        for bearer in bearers
    )


def _decoded(decoder: msgspec.msgpack.Decoder[M], body: memoryview) -> M:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # Beside the decoder's own errors: text that is no UTF-8, and arrays in arrays in arrays.
        raise NotUnderstood(str(error)) from error
