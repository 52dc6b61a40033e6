"""What handlers make is encoded at once, keeps its order, and says what it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistq.blocks import BYTES_MAX, ITEMS_MAX, Block, Origin, block_of
from persistq.client.outputs import Made, encoded, joined, origin_of
from persistq.codec import ItemCodec
from persistq.errors import ItemNotStorable

VALUES = st.integers(0, 9) | st.tuples(st.integers(0, 9)) | st.text(max_size=3)


def taken_apart(blocks: list[Block], origins: list[Origin]) -> list[tuple[int, int, bytes]]:
    """Return of each output what it was made of, its codec and its payload."""
    return [
        (origin.of(position), block.codec, payload)
        for block, origin in zip(blocks, origins, strict=True)
        for position, payload in enumerate(block.payloads())
    ]


@given(
    st.dictionaries(
        st.integers(1, 400) | st.integers(1, 10), st.lists(VALUES, max_size=6), max_size=12
    )
)
def test_each_output_says_what_it_was_made_of(made: dict[int, list[Any]]) -> None:
    """However far apart the items lie, and however many outputs each has; ordered by the item."""
    codec = ItemCodec()
    blocks, origins = joined({item_id: encoded(made[item_id], codec) for item_id in made})
    assert taken_apart(blocks, origins) == [
        (item_id, *codec.encode(value)) for item_id in sorted(made) for value in made[item_id]
    ]


@pytest.mark.parametrize(
    ("item_ids", "origin"),
    [
        ([7], Origin(7, b"\0")),
        ([7, 7, 7], Origin(7, b"\0")),
        ([7, 8, 9], Origin(7, b"\1")),
        ([7, 8], Origin(7, b"\1")),
        ([7, 7, 8, 263], Origin(7, b"\0\1\xff")),
        ([7, 9, 11], Origin(7, b"\2\2")),
    ],
)
def test_an_origin_is_short_where_all_steps_are_alike(item_ids: list[int], origin: Origin) -> None:
    """One byte for all, for the two cases that most blocks are."""
    assert origin_of(item_ids) == origin
    assert [origin.of(position) for position in range(len(item_ids))] == item_ids
    assert origin.last(len(item_ids)) == item_ids[-1]


def test_what_neighbours_made_shares_a_block() -> None:
    """As far as a step can be written; beyond that a new block begins."""
    made: dict[int, Made] = {n: [(0, b"%d" % n)] for n in (1, 2, 257, 513, 514)}
    blocks, origins = joined(made)
    assert [block.count for block in blocks] == [3, 2]
    assert origins == [Origin(1, b"\1\xff"), Origin(513, b"\1")]


def test_much_becomes_blocks_while_it_comes() -> None:
    """What is made of one item may be more than memory holds one by one."""
    made = encoded(range(3 * ITEMS_MAX + 1), ItemCodec())
    assert [one.count for one in made if isinstance(one, Block)] == [ITEMS_MAX] * 3
    assert made[3:] == [(0, b"%d" % (3 * ITEMS_MAX))]
    long = encoded(["x" * BYTES_MAX, 1], ItemCodec())
    assert [one.count for one in long if isinstance(one, Block)] == [1]


def test_much_and_little_keep_their_order() -> None:
    """What is little does not jump over blocks that are there already."""
    codec = ItemCodec()
    much = [*range(ITEMS_MAX + 2)]
    made = {5: encoded([1], codec), 6: encoded(much, codec), 7: encoded([2, (3,)], codec)}
    blocks, origins = joined(made)
    assert [block.count for block in blocks] == [1, ITEMS_MAX, 3, 1]
    assert [origin.item_id for origin in origins] == [5, 6, 6, 7]
    found = taken_apart(blocks, origins)
    expected = [(5, 1), *((6, value) for value in much), (7, 2), (7, (3,))]
    assert found == [(item_id, *codec.encode(value)) for item_id, value in expected]


def test_what_a_handler_changes_later_is_as_it_was_yielded() -> None:
    """One row that is filled anew for each output is not the last one many times."""

    def rows() -> Iterator[dict[str, int]]:
        row: dict[str, int] = {}
        for n in range(3):
            row["n"] = n
            yield row

    (block,), _ = joined({1: encoded(rows(), ItemCodec())})
    assert block == block_of(0, [b'{"n":0}', b'{"n":1}', b'{"n":2}'])


def test_one_output_that_cannot_be_stored_and_none_is() -> None:
    """The error comes before anything is recorded."""
    with pytest.raises(ItemNotStorable):
        encoded([1, lambda: None], ItemCodec())
