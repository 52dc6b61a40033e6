"""Whatever bytes and messages arrive: the worst that happens is the end of their connection."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rawclient import connected, handle_of, heard, introduced, is_closed, proven, say

from persistq import DONE, BrokerLost, PersistentQueue
from persistq.blocks import Origin, block_of
from persistq.broker import conduct
from persistq.client.connection import Connection
from persistq.errors import PersistqError
from persistq.items import IdRange
from persistq.peer import Peer
from persistq.site.processes import this_process
from persistq.wire import framing, messages
from persistq.wire.framing import FrameReader, NotUnderstood, frame, from_broker, from_client
from persistq.wire.handshake import GREETING_BYTES
from persistq.wire.messages import ClientMessage, Hello, Patience, Role

Opener = Callable[..., PersistentQueue[Any]]

QUEUE_ID: Final = 1
NESTED: Final = b"\x91" * 50_000 + b"\xc0"
PEER: Final = b"\x94\xa1h%b\x00\xa1n"
"""A process with a number to be filled in."""


def longer(message: Any, more: bytes) -> bytes:
    """Return a message with one field more than it has; those that it does not know are skipped."""
    encoded = bytearray(msgspec.msgpack.encode(message))
    encoded[0] += 1
    return bytes(encoded) + more


STRANGE: Final = [
    NESTED,
    *map(
        msgspec.msgpack.encode,
        [
            *(None, True, "", "x" * 1_000, b"", b"\0" * 1_000, [], {}, [[]], {"a": 1}),
            *(0, -1, 255, 256, 2**31, 2**40, -(2**63), 2**63, 2**64 - 1),
            *(float("nan"), float("inf"), float("-inf"), -0.5, 1e308, 5e-324),
        ],
    ),
    b"\xa1\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc1",
    b"\xd6\xff\0\0\0\0",
]

ids = st.sampled_from([0, 1, 2, -1, 1 << 40, (1 << 40) | 1, (7 << 40) | 1, 2**63, 2**64 - 1])
numbers = st.sampled_from([0, 1, -1, 255, 256, 2**31, 2**40, -(2**63), 2**63 - 1, 2**64 - 1])
seconds = st.sampled_from([0.0, 1e-9, -1.0, 1e308, float("nan"), float("inf"), float("-inf")])
texts = st.sampled_from(["", "x", "\0", "done", "failed", "\u20ac", "x" * 5_000])
blobs = st.sampled_from([b"", b"\0", b"\0\0", b"\xff", b'"x"'])
FIELDS: Final[dict[Any, st.SearchStrategy[Any]]] = {
    int: ids | numbers,
    float: seconds,
    str: texts,
    bytes: blobs,
    bool: st.booleans(),
    type(None): st.none(),
    list[int]: st.lists(ids, max_size=4),
    Peer: st.builds(Peer, texts, ids | numbers, ids | numbers, texts),
    list[bytes]: st.lists(blobs, max_size=3),
}


def valued(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for a field's type."""
    if kind in FIELDS:
        return FIELDS[kind]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return built(kind)
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return st.builds(kind, *map(valued, get_type_hints(kind).values()))
    if isinstance(kind, type):
        return st.sampled_from(kind)  # type: ignore[call-overload, no-any-return]
    parts = [valued(part) for part in get_args(kind)]
    if getattr(kind, "__origin__", None) is list:
        return st.lists(*parts, max_size=2)
    return st.one_of(parts)


def built(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Return a strategy for messages with fields of the right types and of any value."""
    fields = msgspec.structs.fields(kind)
    return st.builds(kind, **{field.name: valued(field.type) for field in fields})


# What is right at any time, and ends the load for everybody: a client may say so.
POWERS: Final = {messages.Seal, messages.Fail, messages.Halt, messages.Farewell}
HARMLESS: Final = [kind for kind in get_args(ClientMessage) if kind not in POWERS]
any_message = st.one_of([built(kind) for kind in HARMLESS])


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """Return a frame with one thing changed: a field, their number, or a byte."""
    body = bytes(frame(draw(any_message))[4:])
    fields = [msgspec.msgpack.encode(field) for field in msgspec.msgpack.decode(body)]
    at = draw(st.integers(0, len(fields) - 1))
    match draw(st.sampled_from(["field", "less", "more", "byte", "length"])):
        case "field":
            fields[at] = draw(st.sampled_from(STRANGE))
        case "less":
            del fields[at]
        case "more":
            fields.insert(at, draw(st.sampled_from(STRANGE)))
        case "byte":
            spot = draw(st.integers(0, len(body) - 1))
            return framed(body[:spot] + bytes([draw(st.integers(0, 255))]) + body[spot + 1 :])
        case _:
            length = draw(st.sampled_from([0, 1, len(body) - 1, len(body) + 1, 2**32 - 1]))
            return length.to_bytes(4, "big") + body
    return framed(b"\xdc" + len(fields).to_bytes(2, "big") + b"".join(fields))


def framed(body: bytes) -> bytes:
    """Return a frame of any bytes."""
    return len(body).to_bytes(4, "big") + body


class Attack:
    """Strangers, clients out of their minds, and a client that minds its own business.

    Attributes:
        frames: How many were sent.
    """

    def __init__(self, queue: PersistentQueue[Any]) -> None:
        self._queue = queue
        self._families = map("stranger-{}".format, itertools.count())
        self.frames = 0

    def client(self, role: Role | None) -> socket.socket:
        """Return a connection that is a client, or only proven."""
        sock = proven(self._queue)
        if role is not None:
            # Of a program of its own, whose death is nobody else's.
            say(sock, Hello(this_process(), next(self._families), role, QUEUE_ID))
            assert heard(sock)
        return sock

    def send(self, sock: socket.socket, frames: list[bytes]) -> None:
        """Send frames, as far as the broker takes them, and go."""
        self.frames += len(frames)
        with sock, suppress(ConnectionError):
            for one in frames:
                sock.sendall(one)

    def others_are_served(self) -> None:
        """Check that the broker answers somebody else, and journals what is put."""
        self._queue.put("honest")
        self._queue.flush()


@pytest.fixture
def attack(open_queue: Opener) -> Iterator[Attack]:
    """A broker to be attacked; afterwards it still hands out work, and ends as it should."""
    queue = open_queue()
    assert handle_of(queue).queue_id == QUEUE_ID
    made = Attack(queue)
    yield made
    made.others_are_served()
    with introduced(queue, Role.CONTROL) as control:
        say(control, messages.Page(1, QUEUE_ID, QUEUE_ID << 40, 1_000))
        [answer] = heard(control)
        assert answer.value
    broker = queue._presence._leaving.run.broker
    queue.release()
    assert broker.wait(30) == 0


roles = st.sampled_from([None, *Role])
quick = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_any_bytes(attack: Attack) -> None:
    """Before the greeting, after it, as frames, and as the rest of a conversation."""

    @settings(quick, max_examples=120)
    @given(roles, st.booleans(), st.booleans(), st.lists(st.binary(max_size=300), max_size=8))
    def play(role: Role | None, early: bool, whole: bool, noise: list[bytes]) -> None:
        sock = connected(attack._queue) if early else attack.client(role)
        attack.send(sock, [framed(one) if whole else one for one in noise])
        attack.others_are_served()

    play()
    assert attack.frames > 300


def test_frames_with_one_thing_changed(attack: Attack) -> None:
    """A field of another type or beyond all bounds, one too few or too many, a byte, a length."""

    @settings(quick, max_examples=250)
    @given(roles, st.lists(changed(), min_size=1, max_size=12))
    def play(role: Role | None, frames: list[bytes]) -> None:
        # Each on a connection of its own, as the first one that is wrong ends it.
        for one in frames:
            attack.send(attack.client(role), [one])
        attack.others_are_served()

    play()
    assert attack.frames > 1_000


def test_valid_messages_at_the_wrong_time(attack: Attack) -> None:
    """Of the wrong client, of queues and items that do not exist, with numbers that are none."""

    @settings(quick, max_examples=250)
    @given(roles, st.lists(any_message, min_size=1, max_size=8))
    def play(role: Role | None, said: list[ClientMessage]) -> None:
        frames = []
        for message in said:
            with suppress(OverflowError):
                frames.append(bytes(frame(message)))
        for one in frames:
            attack.send(attack.client(role), [one])
        attack.send(attack.client(role), frames)
        attack.others_are_served()

    play()
    assert attack.frames > 1_000


ITEM_ID: Final = (QUEUE_ID << 40) | 1
IT: Final = [IdRange(ITEM_ID, ITEM_ID)]
ONE: Final = block_of(0, [b"1"])
REPORTS: Final = [
    *(messages.Done(IT, busy) for busy in (float("nan"), float("inf"), -1.0)),
    *(messages.Failed(IT, "Error", "", "", delay) for delay in (float("nan"), float("inf"), -1.0)),
    messages.Done(IT, 0.0, [messages.Outputs(QUEUE_ID, [ONE], [Origin(ITEM_ID)])]),
    messages.Done(IT, 0.0, [messages.Outputs(7, [ONE], [Origin(ITEM_ID)])]),
    messages.Done(IT, 0.0, [messages.Outputs(7, [ONE], [])]),
    messages.Done([IdRange(ITEM_ID, ITEM_ID - 1)], 0.0),
    messages.Dropped([IdRange(0, 2**63)], ""),
    messages.GiveBack([IdRange(ITEM_ID, ITEM_ID + 2**40)]),
]


@pytest.mark.parametrize("report", REPORTS, ids=repr)
def test_report_that_cannot_be_true_records_nothing(open_queue: Opener, report: Any) -> None:
    """Its sender is taken for dead, and the item goes to somebody else."""
    queue = open_queue()
    queue.put_many(["first", "second"])
    queue.flush()
    with introduced(queue, Role.CONSUMER) as consumer:
        say(consumer, messages.Take(Patience.WAIT, 0))
        [window] = heard(consumer)
        assert [part.ids for part in window.slices] == IT
        say(consumer, report)
        assert is_closed(consumer)
    assert [queue.get(), queue.get()] == ["first", "second"]
    queue.task_done()
    queue.task_done()
    queue.close()
    assert queue.get() is DONE


POWERFUL: Final = [
    messages.Seal(1, 2),
    messages.Seal(1, -1),
    messages.Seal(1, 2**64 - 1),
    messages.Farewell("no such result"),
]


@pytest.mark.parametrize("message", POWERFUL, ids=repr)
@pytest.mark.parametrize("role", [*Role])
def test_what_ends_a_load_is_looked_at_too(attack: Attack, role: Role, message: Any) -> None:
    """A queue that is not there cannot be sealed, and a run has one of three results."""
    with attack.client(role) as client:
        say(client, message)
        assert is_closed(client)
    attack.others_are_served()


@pytest.mark.parametrize("role", [Role.PRODUCER, Role.CONSUMER, Role.ANCHOR])
@pytest.mark.parametrize(
    "message", [messages.Seal(1, 1), messages.Fail(1, "x"), messages.Halt(1)], ids=repr
)
def test_only_those_whose_task_it_is_end_a_load(attack: Attack, role: Role, message: Any) -> None:
    """A worker that is out of step cannot."""
    with attack.client(role) as client:
        say(client, message)
        assert is_closed(client)
    attack.others_are_served()


@pytest.mark.parametrize(
    "body",
    [
        longer(messages.Hello(this_process(), "f", Role.PRODUCER), NESTED),
        b"\x95\x01" + PEER % b"\x01" + b"\xa1\xff\x00\x00",
        b"\x95\x01" + PEER % b"\x01" + b"\xa1f\x02\x09",
        b"\x95\x01" + PEER % b"\x00" + b"\xa1f\x02\x01",
        b"\x95\x01" + PEER % b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff" + b"\xa1f\x02\x01",
    ],
    ids=["nested", "no UTF-8", "no such queue", "no process", "no such number"],
)
def test_bad_introduction_ends_its_connection_only(attack: Attack, body: bytes) -> None:
    """Proven or not, it is not welcome."""
    for client in (proven(attack._queue), connected(attack._queue)):
        with client:
            client.sendall(framed(body).ljust(GREETING_BYTES, b"\0"))
            assert is_closed(client)
    attack.others_are_served()


def test_long_introduction_is_not_waited_for(attack: Attack) -> None:
    """Its length is enough to end it."""
    with attack.client(None) as client:
        client.sendall(b"\x7f\xff\xff\xff")
        assert is_closed(client)


def test_item_that_no_journal_can_take_is_not_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand million bytes are SQLite's limit; several items may have more together."""
    monkeypatch.setattr(framing, "PAYLOAD_BYTES_MAX", 100)
    short, long = block_of(0, [b"x" * 80]), block_of(0, [b"x" * 101])
    one, origin = [IdRange(1, 1)], Origin(1)
    many = messages.Put(1, [short, short])
    report = messages.Done(one, 0.0, [messages.Outputs(2, [short] * 2, [origin] * 2)])
    for fine in (many, report):
        assert FrameReader(from_client).feed(frame(fine)) == [fine]
    for bad in (
        messages.Put(1, [long]),
        messages.Offer(1, long, 1, Patience.WAIT),
        messages.Done(one, 0.0, [messages.Outputs(2, [long], [origin])]),
        messages.Fail(1, "x" * 101),
    ):
        with pytest.raises(NotUnderstood):
            FrameReader(from_client).feed(frame(bad))


def test_there_is_a_rule_for_every_message() -> None:
    """A new one has to be thought about."""
    assert set(conduct.RULES) == set(get_args(ClientMessage))


BUGGED = """
from persistq import PersistentQueue
from persistq.client import starting

BUG = "from persistq.broker import producing; producing.Producing.on_put = lambda *_: [].pop(); "
popen = starting.subprocess.Popen

def popen_bugged(command, **options):
    bugged = [word.replace("from persistq", BUG + "from persistq") for word in command]
    return popen(bugged, **options)

starting.subprocess.Popen = popen_bugged
queue = PersistentQueue("bugged")
queue.put(1)
try:
    queue.flush()
except ConnectionError as error:
    print(type(error).__name__)
"""


def test_error_of_our_own_is_not_taken_for_a_clients(run_script: Any) -> None:
    """It ends the broker, visibly: who swallows it goes on with a state that nobody knows."""
    done = run_script(BUGGED)
    assert "BrokerLost" in done.stdout
    assert "IndexError: pop from empty list" in done.stderr


# --- the reader, and the client's side ---


@settings(max_examples=500)
@given(st.lists(st.binary(max_size=60), max_size=5), st.booleans())
@example([NESTED], True)
@example([longer(messages.Hello(this_process(), "f", Role.PRODUCER), NESTED)], True)
@pytest.mark.parametrize("decode", [from_client, from_broker])
def test_any_bytes_are_messages_or_not_understood(
    decode: Any, pieces: list[bytes], whole: bool
) -> None:
    """Nothing else comes out of a reader."""
    reader: FrameReader[Any] = FrameReader(decode)
    with suppress(NotUnderstood):
        for piece in pieces:
            reader.feed(framed(piece) if whole else piece)


def hear_all(connection: Connection) -> None:
    """Receive until there is nothing more."""
    while True:
        connection.receive(timeout=10)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(changed(), st.binary(max_size=40).map(framed)), min_size=1, max_size=3))
@example([framed(b"\x93\x48\x01" + NESTED)])
@example([bytes(frame(messages.Refused(0, "annotations", [])))])
@example([bytes(frame(messages.Refused(0, "JournalBusy", [])))])
@example([bytes(frame(messages.Refused(0, "UsageError", [1, 2, 3])))])
@example([bytes(frame(messages.Refused(0, "\0", ["x"])))])
def test_broker_that_makes_no_sense_is_lost(frames: list[bytes]) -> None:
    """A client raises one error of persistq, whatever it hears."""
    ours, theirs = socket.socketpair()
    connection = Connection(ours, "work", "token")
    with theirs:
        theirs.sendall(b"".join(frames))
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(PersistqError) as caught:
            hear_all(connection)
        assert str(caught.value)
    connection.close()


def test_answer_of_another_kind_is_not_understood() -> None:
    """Counters that are none."""
    ours, theirs = socket.socketpair()
    connection = Connection(ours, "work", "token")
    with theirs:
        theirs.sendall(frame(messages.Answer(1, [{"no": "counters"}])))
        with pytest.raises(BrokerLost, match="not understood"):
            connection.ask(messages.Sizes, kind=list[messages.QueueSizes])
    connection.close()


def test_honest_load_ends_well_among_strangers(open_queue: Opener) -> None:
    """Everything put is got, once, and the load is done."""
    queue = open_queue()
    queue.put_many(range(20))
    got = []
    for number in range(20):
        with proven(queue) as one, connected(queue) as other:
            one.sendall(framed(b"\xc1" * number))
            other.sendall(b"\xff" * number)
        got.append(queue.get())
        queue.task_done()
    queue.close()
    assert queue.get() is DONE
    assert got == [*range(20)]
