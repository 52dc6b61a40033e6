"""What a handler says of its items: how they are stored, what is refused, what stays as it was."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
import json
import math
import pickle
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest

from persistq.codec import VALUE, Codec, ItemCodec
from persistq.errors import ItemNotReadable, ItemNotStorable, ItemNotValid, UsageError
from persistq.groups import Grouping, MarkingCodec
from persistq.items import DONE
from persistq.naturalkeys import KeyedCodec, NaturalKey
from persistq.pipeline.itemtype import ItemType, item_type
from persistq.pipeline.typedcodec import TypedCodec

if TYPE_CHECKING:
    from collections.abc import Callable

    from nowhere import Connection  # type: ignore[import-not-found]


class Color(enum.Enum):
    """Has a value that JSON has, and is none itself."""

    RED = "red"


class Flags(enum.Flag):
    """Several of it are one."""

    A = 1
    B = 2


@dataclasses.dataclass
class Line:
    """Is in an order."""

    sku: str
    count: int = 1


@dataclasses.dataclass
class Order:
    """Has a field of each sort."""

    id: int
    price: float
    at: dt.datetime | None = None
    lines: list[Line] = dataclasses.field(default_factory=list)
    color: Color | None = None
    tags: set[str] = dataclasses.field(default_factory=set)
    more: Any = None


@dataclasses.dataclass
class Special(Order):
    """Has a field that an order has not."""

    extra: int = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Fixed:
    """Cannot be changed, and has no dict."""

    id: int
    name: str = "no name"


@dataclasses.dataclass(eq=False)
class Lonely:
    """Is equal to itself alone."""

    id: int


@dataclasses.dataclass
class Later:
    """Refuses what its types allow."""

    id: int

    def __post_init__(self) -> None:
        if self.id < 0:
            raise ValueError("id is below 0")


class Array:
    """Has no form in JSON."""


@dataclasses.dataclass
class Frame:
    """Has an array."""

    array: Array


class Row(TypedDict):
    """A dict with known keys."""

    id: int
    color: NotRequired[Color]


class Point(msgspec.Struct):
    """A struct of msgspec."""

    x: float
    path: Path = Path("p")


class Model(pydantic.BaseModel):
    """A model of pydantic."""

    id: int
    at: dt.date | None = None
    lines: list[Line] = []
    ratio: float = 1.0


class Strict(Model, strict=True):
    """A model that takes no text for a date, but in JSON."""


class Price(float):
    """A number as numpy has them."""


def said(annotation: Any, *, listed: bool = False) -> ItemType | None:
    """Return the type of the items of a stage whose handler has an annotation."""

    def handler(item: Any) -> None: ...

    handler.__annotations__ = {"item": annotation}
    return item_type("load", handler, listed)


def codec_of(annotation: Any, **options: Any) -> TypedCodec:
    """Return what encodes items of a type."""
    found = said(annotation)
    assert found is not None
    return TypedCodec(ItemCodec(**options), found)


def stored(annotation: Any, value: Any, **options: Any) -> tuple[int, bytes]:
    """Return a value as it is stored."""
    return codec_of(annotation, **options).encode(value)


AT = dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)
FULL_TEXT = (
    '{"id":1,"price":2.5,"at":"2026-01-02T03:04:00Z","lines":[{"sku":"a","count":2}],'
    '"color":"red","tags":["x","y"],"more":{"k":[1]}}'
)
FULL = Order(1, 2.5, AT, [Line("a", 2)], Color.RED, {"y", "x"}, {"k": [1]})


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (Order, FULL, FULL_TEXT),
        (Fixed, Fixed(1), '{"id":1,"name":"no name"}'),
        (Row, {"id": 1, "color": Color.RED}, '{"color":"red","id":1}'),
        (Point, Point(1.0, Path("a/b")), '{"x":1.0,"path":"a/b"}'),
        (Model, Model(id=1), '{"id":1,"at":null,"lines":[],"ratio":1.0}'),
        (Strict, Strict(id=1, at=AT.date()), '{"id":1,"at":"2026-01-02","lines":[],"ratio":1.0}'),
        (Path, Path("a/b"), '"a/b"'),
        (dt.date, AT.date(), '"2026-01-02"'),
        (dt.datetime, AT, '"2026-01-02T03:04:00Z"'),
        (Decimal, Decimal("1.50"), '"1.50"'),
        (UUID, UUID(int=7), '"00000000-0000-0000-0000-000000000007"'),
        (Color, Color.RED, '"red"'),
        (Order | None, None, "null"),
        (Path | None, Path("x"), '"x"'),
        (list[Path], [Path("x")], '["x"]'),
        (dict[str, Lonely | None], {"b": None, "a": None}, '{"a":null,"b":null}'),
        (tuple[Path, int], (Path("x"), 1), '["x",1]'),
        (list[Model], [Model(id=1)], '[{"id":1,"at":null,"lines":[],"ratio":1.0}]'),
        (Annotated[Decimal, "euros"], Decimal(1), '"1"'),
    ],
)  # fmt: skip
def test_a_value_of_the_type_is_json_and_comes_back(annotation: Any, value: Any, text: str) -> None:
    """Alone, in a block that was decoded with others, and with the mark of its group."""
    codec = codec_of(annotation)
    number, payload = codec.encode(value)
    assert (number, payload.decode()) == (Codec.JSON, text)
    assert codec.decode(1, number, payload) == value
    assert codec.decode(1, VALUE, json.loads(payload)) == value
    marked = MarkingCodec(codec, Grouping("load", lambda _: 1, 1)).encode(value)
    assert codec.decode(1, *marked) == value


@pytest.mark.parametrize(
    ("annotation", "given", "item"),
    [
        (Order, {"price": 2, "id": 1}, Order(1, 2.0)),
        (Order, {"id": 1, "price": 2, "color": Color.RED}, Order(1, 2.0, None, [], Color.RED)),
        (Order, {"id": 1, "price": Price(2.5), "unknown": 1}, Order(1, 2.5)),
        (Order, Order(1, Price(2.5)), Order(1, 2.5)),
        (Order, Order(1, 2), Order(1, 2.0)),
        (Model, {"at": "2026-01-02", "id": 1}, Model(id=1, at=AT.date())),
        (Strict, {"at": AT.date(), "id": 1}, Strict(id=1, at=AT.date())),
        (Path, "a/b", Path("a/b")),
        (dt.date, "2026-01-02", AT.date()),
        (Color, "red", Color.RED),
        (list[Path], ("x", Path("y")), [Path("x"), Path("y")]),
    ],
)  # fmt: skip
def test_plain_values_make_an_item_and_equal_ones_have_equal_bytes(
    annotation: Any, given: Any, item: Any
) -> None:
    """In whichever order they come, and with or without defaults."""
    assert stored(annotation, given) == stored(annotation, item)
    codec = codec_of(annotation)
    back = codec.decode(1, *codec.encode(given))
    assert (back, type(back)) == (item, type(item))


@pytest.mark.parametrize(
    ("annotation", "value", "sentence"),
    [
        (Order, Order(1, "x"), "is not an Order: `$.price`: Expected float, got str"),  # type: ignore[arg-type]
        (Order, {"id": 1, "price": "2"}, "is not an Order: `$.price`: Expected float, got str"),
        (Order, {"id": 1}, "is not an Order: Object missing required field price"),
        (Order, Order(1, 1.0, lines=[Line("a", "b")]), "`$.lines[0].count`: Expected int, got str"),  # type: ignore[arg-type]
        (Order, Order(1, Array()), "`$.price`: Expected float, got Array"),  # type: ignore[arg-type]
        (Order, Order("1", math.nan), "`$.id`: Expected int, got str"),  # type: ignore[arg-type]
        (Order, 5, "is not an Order: Expected object, got int"),
        (Order, None, "is not an Order: Expected object, got null"),
        (Later, {"id": -1}, "is not a Later: id is below 0"),
        (Row, {"id": True}, "is not a Row: `$.id`: Expected int, got bool"),
        (Model, {"id": "x"}, "is not a Model: `$.id`: Input should be a valid integer"),
        (Model, {"id": 1, "lines": [{}]}, "`$.lines[0].sku`: Field required"),
        (list[Model], [{"id": "x"}], "is not a list[Model]: `$[0].id`: Input should be"),
        (Path, 3, "is not a Path: Expected Path, got int"),
        (dt.date, AT, "is not a date: Expected date, got datetime"),
        (Color, "blue", "is not a Color: Invalid enum value 'blue'"),
        (Fixed | None, 3, "is not a Fixed | None: Expected object | null, got int"),
    ],
)  # fmt: skip
def test_what_is_not_of_the_type_is_refused_with_the_field(
    annotation: Any, value: Any, sentence: str
) -> None:
    """And with the stage, whose handler says the type."""
    with pytest.raises(ItemNotValid) as caught:
        stored(annotation, value)
    assert str(caught.value).startswith("item of stage 'load' is not a")
    assert sentence in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_model_that_was_made_wrong_afterwards_is_refused() -> None:
    """Pydantic does not look at what is assigned."""
    model = Model(id=1)
    model.id = "x"  # type: ignore[assignment]
    with pytest.raises(ItemNotValid, match=r"`\$\.id`: Input should be a valid integer"):
        stored(Model, model)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Order, Order(1, math.inf)),
        (Order, Order(1, 1.0, more=(1, 2))),
        (Order, Order(1, 1.0, more="\udcff")),
        (Order, Special(1, 1.0)),
        (Model, Strict(id=1)),
        (Model, Model(id=1, ratio=math.inf)),
        (Path, Path("\udcff")),
    ],
)
def test_what_json_would_change_is_pickled_as_ever(annotation: Any, value: Any) -> None:
    """Or refused, where the pipeline does not allow that."""
    codec = codec_of(annotation)
    number, payload = codec.encode(value)
    assert number in {Codec.PICKLE, Codec.PICKLE_OF_PROGRAM}
    back = codec.decode(1, number, payload)
    assert (back, type(back)) == (value, type(value))
    for options in ({"name": "json"}, {"allow_pickle": False}):
        with pytest.raises(ItemNotStorable, match="JSON cannot hold it without loss"):
            stored(annotation, value, **options)


def test_an_array_in_a_field_of_any_type_is_pickled() -> None:
    """Nothing says that it is wrong there."""
    codec = codec_of(Order)
    number, payload = codec.encode(Order(1, 1.0, more=Array()))
    assert number == Codec.PICKLE
    assert type(codec.decode(1, number, payload).more) is Array


def test_objects_that_are_equal_to_themselves_alone_are_json() -> None:
    """Their fields are checked all the same."""
    assert stored(Lonely, Lonely(1)) == (Codec.JSON, b'{"id":1}')
    with pytest.raises(ItemNotValid):
        stored(Lonely, Lonely("1"))  # type: ignore[arg-type]


def test_the_rules_of_the_pipeline_hold() -> None:
    """Its codec, its bound, and that the ends of a queue are no items."""
    assert stored(Fixed, {"id": 1}, name="pickle")[0] != Codec.JSON
    assert stored(Fixed, Fixed(1), allow_pickle=False)[0] == Codec.JSON
    with pytest.raises(ItemNotStorable, match="over the limit of 4"):
        stored(Fixed, Fixed(1), item_bytes_max=4)
    with pytest.raises(UsageError, match="DONE is no item"):
        stored(Fixed, DONE)


def test_what_was_stored_before_is_rebuilt_or_refused() -> None:
    """An annotation may have come later, and somebody may have edited the item."""
    codec = codec_of(Order)
    assert codec.decode(1, *ItemCodec().encode(FULL)) == FULL
    assert codec.decode(1, Codec.JSON, b'{"id":1,"price":2}') == Order(1, 2.0)
    for number, payload in (
        (Codec.JSON, b'{"id":1,"price":"2"}'),
        (VALUE, {"id": 1, "price": "2"}),
    ):
        with pytest.raises(ItemNotValid, match=r"`\$\.price`: Expected float, got str"):
            codec.decode(1, number, payload)
    with pytest.raises(ItemNotReadable):
        codec.decode(1, Codec.PICKLE, b"no pickle")


@pytest.mark.parametrize(
    "annotation",
    [
        int, list[int], dict[str, object], Any, object, "Nowhere", Array, Frame, Flags, Order | Row,
        Path | str, "Iterator[Path]", type[Path], "Callable[[Path], None]", 3,
    ],
)  # fmt: skip
def test_other_annotations_change_nothing(annotation: Any) -> None:
    """Those that JSON has a form of its own for, that it cannot hold, or that mean nothing here."""
    assert said(annotation) is None


def test_a_handler_with_batches_says_the_type_of_each_item() -> None:
    """In a list, or what a list is."""
    for annotation in ("list[Order]", list[Order], Sequence[Order]):
        assert said(annotation, listed=True) is not None
    assert said(list[int], listed=True) is None
    assert said(Order, listed=True) is None
    assert said(dict[str, Order], listed=True) is None


def _first(item: Order, ctx: Connection) -> None: ...


class _Method:
    def handle(self, item: Order) -> None: ...

    def __call__(self, item: Order) -> None: ...


def _wrapped(function: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(function)
    def call(*arguments: Any) -> None:
        function(*arguments)

    return call


@pytest.mark.parametrize(
    "handler",
    [
        _first,
        _Method().handle,
        _Method(),
        _wrapped(_first),
        functools.partial(_first, ctx=None),
        _wrapped(functools.partial(_first, ctx=None)),
    ],
)
def test_every_kind_of_handler_is_understood(handler: Callable[..., None]) -> None:
    """Also where the annotations of other parameters mean something to type checkers alone."""
    found = item_type("load", handler, False)
    assert found is not None
    assert found.name == "Order"


def test_a_type_is_sent_to_other_processes() -> None:
    """By its handler: not every annotation can be pickled."""
    found = item_type("load", _first, False)
    again = pickle.loads(pickle.dumps(found))
    assert again.encoded(Order(1, 2.0)) == found.encoded(Order(1, 2.0))  # type: ignore[union-attr]


def test_keys_and_groups_are_told_by_the_item() -> None:
    """Also where a dict was given for it."""
    found = said(Order)
    assert found is not None
    codec = TypedCodec(ItemCodec(), found)
    key = NaturalKey(lambda order: order.id, "stage 'load'", found.item)
    grouping = Grouping("load", lambda order: order.id, 1, item=found.item)
    given, item = {"price": 2.0, "id": 1}, Order(1, 2.0)
    keyed = KeyedCodec(MarkingCodec(codec, grouping), key)
    assert keyed.encode(given) == keyed.encode(item)
