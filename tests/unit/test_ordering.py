"""The rank of an item: what its stage says of priority and order, as one number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistq.errors import OrderNotUsable
from persistq.ordering import Ordering

CLASSES = st.integers(0, 9)
NUMBERS = st.floats(allow_nan=False)


def rank(priority: int, number: float) -> int:
    """Return the rank of an item of a class."""
    said = Ordering("store", lambda item: item[0], lambda item: item[1])
    return said.rank((priority, number))


@given(CLASSES, NUMBERS, CLASSES, NUMBERS)
def test_a_higher_class_comes_first_whatever_the_order(
    one: int, number: float, other: int, other_number: float
) -> None:
    """Strictly; and a rank is what a column of SQLite holds, below that of what has none."""
    ranks = rank(one, number), rank(other, other_number)
    assert (ranks[0] < ranks[1]) >= (one > other)
    assert all(-(1 << 63) <= found < (1 << 63) - 1 for found in ranks)


@given(CLASSES, NUMBERS, NUMBERS)
def test_in_a_class_the_largest_comes_first(priority: int, one: float, other: float) -> None:
    """But for numbers that agree in their first 14 digits."""
    if one > other:
        assert rank(priority, one) <= rank(priority, other)
        if not math.isclose(one, other, rel_tol=1e-14, abs_tol=1e-300):
            assert rank(priority, one) < rank(priority, other)


@dataclass
class File:
    """An item with fields."""

    size: Any
    urgent: Any = False


def test_fields_and_functions_tell_it() -> None:
    """Keys of a dict, attributes; truth is the class 1, and whole numbers may be of any size."""
    by_field = Ordering("store", "urgent", "size")
    assert by_field.rank({"urgent": True, "size": 1}) < by_field.rank(File(2))
    assert by_field.rank(File(Decimal("2.5"))) < by_field.rank(File(2))
    assert by_field.rank(File(10**400)) == by_field.rank(File(math.inf))
    smallest_first = Ordering("store", None, lambda file: -file.size)
    assert smallest_first.rank(File(1)) < smallest_first.rank(File(2))
    assert Ordering("store", None, "size").rank(File(0.0)) == rank(0, -0.0)


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (File("17"), "order= gives no place for .*'17'.*: it is '17', and should be a number"),
        (File(math.nan), "it is nan, and should be a number"),
        (File(None), "it is None, and should be a number"),
        (File(1, 10), "priority= gives .* it is 10, and should be a whole number from 0 to 9"),
        (File(1, -1), "it is -1"),
        (File(1, 0.5), "it is 0.5"),
        ({"urgent": 1}, "order= gives no place for .*: KeyError: 'size'"),
        (17, "stage 'store': priority= gives no place for 17: AttributeError: .*urgent"),
    ],
)
def test_what_has_no_place_is_refused_in_a_sentence(item: Any, says: str) -> None:
    """A text of digits too: a file of CSV would be sorted by its first digits, or not at all."""
    with pytest.raises(OrderNotUsable, match=says):
        Ordering("store", "urgent", "size").rank(item)
