"""Every value comes back as it was, or is refused in one clear sentence."""

from __future__ import annotations

import collections
import datetime as dt
import enum
import math
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persistq.blocks import BYTES_MAX, ITEMS_MAX, Block, block_of
from persistq.codec import VALUE, Codec, ItemCodec, decoded, readable
from persistq.errors import ItemNotReadable, ItemNotStorable, UsageError
from persistq.pickles import PICKLE_PROTOCOL

Pair = collections.namedtuple("Pair", "key value")


class Colour(enum.IntEnum):
    """Looks like a number to JSON."""

    RED = 1


class Word(str):
    """Looks like a text to JSON."""


class Price(float):
    """Looks like a number to JSON."""


JSONABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
PICKLABLE = st.recursive(
    JSONABLE
    | st.integers()
    | st.floats()
    | st.binary()
    | st.complex_numbers()
    | st.decimals()
    | st.dates()
    | st.datetimes()
    | st.uuids()
    | st.characters(categories=["Cs"])
    | st.builds(Word, st.text())
    | st.builds(Price, st.floats())
    | st.just(Colour.RED),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.builds(Pair, inner, inner)
        | st.dictionaries(st.integers() | st.text(), inner)
        | st.dictionaries(st.text(), inner).map(collections.OrderedDict)
    ),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal in type, value and sign, all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(map(same, one.items(), other.items()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


def round_trip(codec: ItemCodec, value: Any) -> tuple[int, Any]:
    """Encode and decode."""
    number, payload = codec.encode(value)
    return number, codec.decode(1, number, payload)


@given(JSONABLE)
def test_what_json_holds_is_stored_as_json(value: Any) -> None:
    """It comes back equal, in all codecs, and in a form that any tool can read."""
    for codec in (ItemCodec(), ItemCodec("json"), ItemCodec(allow_pickle=False)):
        number, back = round_trip(codec, value)
        assert number == Codec.JSON
        assert same(back, value)
    number, back = round_trip(ItemCodec("pickle"), value)
    assert number == Codec.PICKLE
    assert same(back, value)


@given(PICKLABLE)
@settings(max_examples=300)
def test_whatever_pickles_comes_back_as_it_was(value: Any) -> None:
    """Type and value, nested ones too."""
    assert same(round_trip(ItemCodec(), value)[1], value)


def one_by_one(blocks: list[Block]) -> list[tuple[int, bytes]]:
    """Return the codec and the payload of each item of blocks."""
    return [(block.codec, payload) for block in blocks for payload in block.payloads()]


def values_of(blocks: list[Block]) -> list[Any]:
    """Return what a reader makes of blocks."""
    codec, values = ItemCodec(), []
    for block in blocks:
        number, payloads = decoded(block)
        values += [codec.decode(1, number, payload) for payload in payloads]
    return values


@given(st.lists(PICKLABLE, max_size=20))
def test_many_are_encoded_like_one_by_one(values: list[Any]) -> None:
    """The quick way gives the same bytes: those of an earlier run are compared with them."""
    codec = ItemCodec()
    assert one_by_one(codec.encode_many(values)) == list(map(codec.encode, values))


@given(st.lists(PICKLABLE, max_size=20))
def test_blocks_come_back_as_they_were(values: list[Any]) -> None:
    """Type and value of each item, in order."""
    assert same(values_of(ItemCodec().encode_many(values)), values)


@pytest.mark.parametrize("size", [1, 30, 200, 5_000, 20_000])
def test_blocks_are_as_large_as_they_may_be_and_not_larger(size: int) -> None:
    """Few items to begin with, while nobody knows how long they are; then as many as fit."""
    codec, values = ItemCodec(), [f"{n:0{size}}" for n in range(3_000)]
    blocks = codec.encode_many(values)
    assert values_of(blocks) == values
    assert all(len(block.data) <= BYTES_MAX or block.count == 1 for block in blocks)
    largest = max(block.count for block in blocks)
    assert largest == ITEMS_MAX or largest * (size + 3) > BYTES_MAX * 0.6 or size > BYTES_MAX / 2
    assert len(blocks) <= 2 + 2 * len(values) / largest


def test_items_that_grow_are_cut_where_a_block_is_full() -> None:
    """How many fit is learnt from those before; the first that are longer do not fit."""
    values = ["x"] * 1_000 + ["y" * 3_000] * 50 + ["z"] * 1_000
    blocks = ItemCodec().encode_many(values)
    assert values_of(blocks) == values
    assert all(len(block.data) <= BYTES_MAX for block in blocks)


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        (1,),
        [(1,)],
        {"key": (1,)},
        Pair(1, 2),
        Colour.RED,
        collections.OrderedDict(a=1),
        collections.defaultdict(int),
        math.nan,
        math.inf,
        [-math.inf],
        b"bytes",
        bytearray(b"bytes"),
        2**64,
        -(2**63) - 1,
        [2**64],
        "\udc80",
        {"\udc80": 1},
        {1: 2},
        {None: 1},
        Word("text"),
        {Word("key"): 1},
        Price(1.5),
        dt.date(2024, 2, 29),
        {1, 2},
    ],
    ids=repr,
)
def test_what_json_would_change_is_pickled(value: Any) -> None:
    """JSON would give another type or value back, so it is not used; and not forced."""
    number, back = round_trip(ItemCodec(), value)
    assert number == Codec.PICKLE
    assert type(back) is type(value)
    assert repr(back) == repr(value)
    for strict in (ItemCodec("json"), ItemCodec(allow_pickle=False)):
        with pytest.raises(ItemNotStorable) as caught:
            strict.encode(value)
        assert caught.value.type_name == type(value).__qualname__
        assert "JSON cannot hold it without loss" in str(caught.value)


@pytest.mark.parametrize("value", [-(2**63), 2**64 - 1, 0.1 + 0.2, -0.0, 5e-324, 1e308, "\0é"])
def test_limits_of_json_are_exact(value: Any) -> None:
    """The outermost numbers that JSON is used for come back exactly."""
    number, back = round_trip(ItemCodec(), value)
    assert (number, repr(back)) == (Codec.JSON, repr(value))


def test_integers_of_any_size_can_be_put_together() -> None:
    """More digits than Python prints are no obstacle, alone and among others."""
    for values in ([10**5000], [1, 10**5000, "a"], [2**64, 1], ["x" * 50, 1]):
        codec = ItemCodec()
        blocks = codec.encode_many(values)
        assert one_by_one(blocks) == list(map(codec.encode, values))
        equal = [one == other for one, other in zip(values_of(blocks), values, strict=True)]
        assert all(equal)


def test_list_that_contains_itself_comes_back() -> None:
    """A reference to itself is not followed for ever."""
    value: list[Any] = [1]
    value.append(value)
    number, back = round_trip(ItemCodec(), value)
    assert number == Codec.PICKLE
    assert back[0] == 1
    assert back[1] is back


def test_unpicklable_values_are_refused() -> None:
    """The sentence names the type and what pickle said."""

    class Local:
        pass

    for value in (lambda: None, threading.Lock(), Local(), (item for item in [])):
        with pytest.raises(ItemNotStorable, match="cannot be pickled"):
            ItemCodec().encode(value)


def test_error_in_the_callers_code_is_a_refusal() -> None:
    """Whatever a value's own methods raise while it is pickled."""

    class Broken:
        def __reduce__(self) -> Any:
            raise KeyError("broken")

    with pytest.raises(ItemNotStorable, match="KeyError: 'broken'"):
        ItemCodec().encode(Broken())


def test_many_are_encoded_all_or_none() -> None:
    """One value that cannot be stored, and nothing of the list is."""
    for values in ([1, 2, lambda: None], [lambda: None, 1], ["x" * 100, 1]):
        with pytest.raises(ItemNotStorable):
            ItemCodec(item_bytes_max=50).encode_many(values)
    assert ItemCodec().encode_many([]) == []


@pytest.mark.parametrize(("name", "value"), [("auto", "x" * 8), ("pickle", "xx"), ("auto", b"xx")])
def test_size_is_bounded(name: Any, value: Any) -> None:
    """An item may be as large as the bound, and not one byte larger."""
    _, payload = ItemCodec(name).encode(value)
    exact = ItemCodec(name, item_bytes_max=len(payload))
    assert exact.encode(value)[1] == payload
    assert one_by_one(exact.encode_many([value, value])) == [exact.encode(value)] * 2
    tight = ItemCodec(name, item_bytes_max=len(payload) - 1)
    for refuse in (tight.encode, lambda one: tight.encode_many([1, one])):
        with pytest.raises(ItemNotStorable, match=f"it has {len(payload)} bytes, over the limit"):
            refuse(value)


def test_pickle_is_not_read_where_it_is_forbidden() -> None:
    """Neither loaded nor looked into."""
    number, payload = ItemCodec().encode((1, 2))
    with pytest.raises(ItemNotReadable, match="does not allow pickle") as caught:
        ItemCodec(allow_pickle=False).decode(17, number, payload)
    assert caught.value.item_id == 17


@pytest.mark.parametrize(
    ("codec", "payload"), [(0, b"{"), (0, b""), (0, b"\xff"), (1, b"nonsense"), (1, b""), (9, b"1")]
)
def test_damaged_payload_is_told_by_its_item(codec: int, payload: bytes) -> None:
    """Also a codec that this version does not know."""
    with pytest.raises(ItemNotReadable, match="item 5 cannot be decoded"):
        ItemCodec().decode(5, codec, payload)


@pytest.mark.parametrize("values", [[1, 2, 3], ["only one"], [(1,), (2,)]], ids=repr)
def test_no_item_of_a_damaged_block_is_read(values: list[Any]) -> None:
    """Whoever decodes compares the checksum: neither SQLite nor a socket does."""
    (block,) = ItemCodec().encode_many(values)
    for position in range(len(block.data)):
        data = bytearray(block.data)
        data[position] ^= 1
        codec, payloads = decoded(block._replace(data=bytes(data)))
        assert len(payloads) == len(values)
        for payload in payloads:
            with pytest.raises(ItemNotReadable, match="its block is damaged: the checksum"):
                ItemCodec().decode(5, codec, payload)


@pytest.mark.parametrize("data", [b"[1,2", b"[1]", b"{}", b"1", b"", b"[1,2,3]"])
def test_no_item_of_a_block_that_was_never_right_is_read(data: bytes) -> None:
    """Its bytes are those that somebody has put, and not those of two items."""
    for number in (Codec.JSON, Codec.PICKLE):
        block = block_of(number, [data])._replace(count=2)
        codec, payloads = decoded(block)
        assert len(payloads) == 2
        for payload in payloads:
            with pytest.raises(ItemNotReadable, match="item 5 cannot be decoded: its block is"):
                ItemCodec().decode(5, codec, payload)


def test_one_bad_item_keeps_no_other_from_being_read() -> None:
    """JSON is decoded at one stroke, but what fails is one item's own failure."""
    block = block_of(Codec.JSON, [b"1", b'"\xff"', b"2"])
    codec, payloads = decoded(block)
    assert codec == Codec.JSON
    assert [ItemCodec().decode(1, codec, payloads[n]) for n in (0, 2)] == [1, 2]
    with pytest.raises(ItemNotReadable, match="item 7 cannot be decoded"):
        ItemCodec().decode(7, codec, payloads[1])


def test_pickles_are_not_read_before_their_item_is_wanted() -> None:
    """They run code, whose errors are those of their item; and JSON is read together."""
    codec, payloads = decoded(ItemCodec("pickle").encode_many([1, 2])[0])
    assert codec == Codec.PICKLE
    assert all(isinstance(payload, bytes) for payload in payloads)
    assert decoded(ItemCodec().encode_many([1, 2])[0]) == (VALUE, [1, 2])


def test_equal_values_have_equal_bytes() -> None:
    """Absorption compares bytes, so the pickle protocol is fixed."""
    assert ItemCodec().encode((1, "a")) == ItemCodec().encode((1, "a"))
    assert ItemCodec().encode((1,))[1][:2] == bytes([0x80, PICKLE_PROTOCOL])


def test_arguments_are_checked() -> None:
    """An unknown codec and a contradiction are refused."""
    with pytest.raises(UsageError, match="'yaml' is unknown"):
        ItemCodec("yaml")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="contradicts"):
        ItemCodec("pickle", allow_pickle=False)


def test_payloads_are_shown_without_loading_them() -> None:
    """Text is cut to its width, a pickle is only described."""
    assert readable(Codec.JSON, b'{"a":1}') == '{"a":1}'
    assert readable(Codec.JSON, b"x" * 300, width=10) == "x" * 9 + "…"
    assert readable(Codec.JSON, b"\xff") == "\\xff"
    assert readable(Codec.PICKLE, b"x" * 1234) == "<pickle, 1,234 bytes>"
