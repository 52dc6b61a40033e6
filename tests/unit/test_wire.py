"""Messages cross the socket whole, however the stream is cut."""

from __future__ import annotations

import enum
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistq.blocks import block_of
from persistq.items import IdRange
from persistq.wire import messages
from persistq.wire.framing import FrameReader, NotUnderstood, frame, from_broker, from_client
from persistq.wire.messages import BrokerMessage, ClientMessage, GiveBack, Put

CLIENT = [*get_args(ClientMessage)]
BROKER = [*get_args(BrokerMessage)]

VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    bytes: st.binary(),
    Any: st.none() | st.integers(0, 9) | st.text(),
    type(None): st.none(),
}


ONE = IdRange(1, 1)


def put(*payloads: bytes) -> Put:
    """Return a message with one block for each payload."""
    return Put(1, [block_of(0, [payload]) for payload in payloads])


def valued(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for a field's type."""
    if kind in VALUES:
        return VALUES[kind]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return built(kind)
    if isinstance(kind, type) and issubclass(kind, tuple):
        return st.builds(kind, *map(valued, get_type_hints(kind).values()))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return st.sampled_from(kind)  # type: ignore[call-overload, no-any-return]
    parts = [valued(part) for part in get_args(kind)]
    origin = getattr(kind, "__origin__", None)
    if origin is list:
        return st.lists(*parts, max_size=3)
    if origin is dict:
        return st.dictionaries(*parts, max_size=3)
    return st.tuples(*parts) if origin is tuple else st.one_of(parts)


def built(message: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Return a strategy for messages of one type."""
    fields = msgspec.structs.fields(message)
    return st.builds(message, **{field.name: valued(field.type) for field in fields})


@given(st.data())
@pytest.mark.parametrize("message", CLIENT, ids=lambda message: message.__name__)
def test_client_message_round_trips(message: type[msgspec.Struct], data: st.DataObject) -> None:
    """What a client says is what the broker hears."""
    said = data.draw(built(message))
    assert FrameReader(from_client).feed(frame(said)) == [said]


@given(st.data())
@pytest.mark.parametrize("message", BROKER, ids=lambda message: message.__name__)
def test_broker_message_round_trips(message: type[msgspec.Struct], data: st.DataObject) -> None:
    """What the broker says is what a client hears."""
    said = data.draw(built(message))
    assert FrameReader(from_broker).feed(frame(said)) == [said]


def test_every_message_is_spoken_by_somebody() -> None:
    """Each tag means one message, and no message is left out of its union."""
    tags = [message.__struct_config__.tag for message in CLIENT + BROKER]
    assert len(set(tags)) == len(tags)
    tagged = [
        kind
        for kind in vars(messages).values()
        if isinstance(kind, type)
        and issubclass(kind, msgspec.Struct)
        and kind.__struct_config__.tag is not None
    ]
    assert set(tagged) == set(CLIENT + BROKER)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5), st.data())
def test_frames_may_be_cut_anywhere(payloads: list[bytes], data: st.DataObject) -> None:
    """Whatever pieces the socket delivers, the messages are the same and in order."""
    said = [put(payload) for payload in payloads]
    stream = b"".join(map(frame, said))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    reader, heard = FrameReader(from_client), []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        heard += reader.feed(stream[start:stop])
    assert heard == said


def test_single_bytes_make_a_message() -> None:
    """The slowest socket delivers one byte at a time."""
    reader, said = FrameReader(from_client), GiveBack([IdRange(1, 2)])
    *early, last = (reader.feed(bytes([byte])) for byte in frame(said))
    assert not any(early)
    assert last == [said]


def test_half_a_frame_is_nothing() -> None:
    """However much of the last message has arrived, it counts only when whole."""
    whole, half = frame(GiveBack([ONE])), frame(put(b"payload"))
    for length in range(len(half)):
        assert FrameReader(from_client).feed(whole + half[:length]) == [GiveBack([ONE])]


def test_payload_does_not_change_with_the_buffer() -> None:
    """Bytes that were received stay as they were when more arrive."""
    reader = FrameReader(from_client)
    (first,) = reader.feed(frame(put(b"first")))
    reader.feed(frame(put(b"other")))
    assert first == put(b"first")


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x90", b"\x91\x7f", b"hello", b"\x92\x02\xa1x"])
def test_nonsense_is_refused(body: bytes) -> None:
    """A frame that is not a message of this protocol raises."""
    with pytest.raises(NotUnderstood):
        FrameReader(from_client).feed(len(body).to_bytes(4, "big") + body)


def test_peers_do_not_understand_their_own_messages() -> None:
    """A client's message means nothing to a client."""
    with pytest.raises(NotUnderstood):
        FrameReader(from_broker).feed(frame(GiveBack([ONE])))
    with pytest.raises(NotUnderstood):
        FrameReader(from_client).feed(frame(messages.Accepted(ok=True)))
