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

from persistq.codec import Codec, ItemCodec, readable
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


@given(st.lists(PICKLABLE, max_size=6))
def test_many_are_encoded_like_one_by_one(values: list[Any]) -> None:
    """The quick way for plain values gives the same bytes."""
    codec = ItemCodec()
    codecs, payloads = codec.encode_many(values)
    assert [*zip(codecs, payloads, strict=True)] == list(map(codec.encode, values))


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
        codecs, payloads = codec.encode_many(values)
        assert [*zip(codecs, payloads, strict=True)] == list(map(codec.encode, values))
        back = [codec.decode(1, *pair) for pair in zip(codecs, payloads, strict=True)]
        equal = [one == other for one, other in zip(back, values, strict=True)]
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
    assert ItemCodec().encode_many([]) == (b"", [])


@pytest.mark.parametrize(("name", "value"), [("auto", "x" * 8), ("pickle", "xx"), ("auto", b"xx")])
def test_size_is_bounded(name: Any, value: Any) -> None:
    """An item may be as large as the bound, and not one byte larger."""
    _, payload = ItemCodec(name).encode(value)
    exact = ItemCodec(name, item_bytes_max=len(payload))
    assert exact.encode(value)[1] == payload
    assert exact.encode_many([value])[1] == [payload]
    tight = ItemCodec(name, item_bytes_max=len(payload) - 1)
    for refuse in (tight.encode, lambda one: tight.encode_many([one])):
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
