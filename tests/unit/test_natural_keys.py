"""What is a key, and which keys are the same."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistq.errors import KeyNotUsable
from persistq.naturalkeys import NaturalKey, canonical


class Colour(enum.Enum):
    """Values of an Enum are keys by what they stand for."""

    RED = "red"


class Named(str):
    """A text of a program's own class."""

    __slots__ = ()


@dataclass
class Row:
    """An item with fields."""

    key: Any
    note: str = ""


DIFFERENT = [
    "1",
    1,
    1.0,
    True,
    b"1",
    ("1",),
    ("1", "1"),
    ("11",),
    (("1",), "1"),
    ("1", None),
    Decimal(1),
    date(2026, 1, 1),
    datetime(2026, 1, 1),  # noqa: DTZ001 - without a zone on purpose
    datetime(2026, 1, 1, tzinfo=UTC),
    UUID(int=1),
    "",
]


def test_keys_of_different_kinds_are_different() -> None:
    """Nothing that somebody may mean as two is one."""
    assert len(set(map(canonical, DIFFERENT))) == len(DIFFERENT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a/b", PurePosixPath("a/b")),
        ("red", Colour.RED),
        ("a", Named("a")),
        (("a", 1), ["a", 1]),
        (Decimal("1.50"), Decimal("1.5")),
        (Decimal("-0"), Decimal("0.00")),
        (Decimal("1E+2"), Decimal(100)),
        (0.0, -0.0),
        (
            datetime(2026, 1, 1, 12, tzinfo=UTC),
            datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2))),
        ),
    ],
)
def test_equal_keys_are_the_same(one: Any, other: Any) -> None:
    """However a program writes them."""
    assert canonical(one) == canonical(other)


simple = st.none() | st.text() | st.integers() | st.binary() | st.booleans()


@given(st.lists(simple, max_size=4), st.lists(simple, max_size=4))
def test_no_two_tuples_are_encoded_alike(one: list[Any], other: list[Any]) -> None:
    """Whatever is in their parts."""
    same = [(type(x), x) for x in one] == [(type(x), x) for x in other]
    assert (canonical(tuple(one)) == canonical(tuple(other))) is same


@pytest.mark.parametrize("found", [None, float("nan"), Decimal("inf"), {"a": 1}, object(), {1}])
def test_what_names_nothing_is_no_key(found: Any) -> None:
    """All rows without a value would be one row, and all but the first were lost."""
    with pytest.raises(KeyNotUsable, match="source 'rows': key= gives no key for Row"):
        NaturalKey("key", "source 'rows'").digest(Row(found))


def test_a_field_is_a_key_of_a_dict_or_an_attribute() -> None:
    """Both name the same item, and other fields do not matter."""
    key = NaturalKey("key", "source 'rows'")
    assert key.digest({"key": 7, "x": 1}) == key.digest(Row(7, "changed"))
    assert key.digest({"key": 7}) == NaturalKey(lambda row: row["key"], "").digest({"key": 7})
    assert len(key.digest(Row(7))) == 16


def test_what_a_key_function_raises_is_said_with_its_item() -> None:
    """In one sentence, and not longer than a line or two."""
    with pytest.raises(KeyNotUsable) as caught:
        NaturalKey("idd", "source 'rows'").digest({"id": "x" * 500})
    text = str(caught.value)
    assert text.startswith("source 'rows': key= gives no key for {'id': 'xxx")
    assert text.endswith("KeyError: 'idd'")
    assert len(text) < 200
