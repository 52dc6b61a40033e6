"""Keys are made of the run that put an item, and its id."""

from __future__ import annotations

import uuid

import pytest

from persistq.items import ITEMS_PER_QUEUE_MAX, item_id_of
from persistq.keys import KEY_LENGTH_MAX, ItemKeys, PutSpan

FIRST, SECOND = uuid.uuid4().hex, uuid.uuid4().hex


def test_an_item_belongs_to_the_last_run_that_began_before_it() -> None:
    """Where a span begins is the last item of the one before."""
    keys = ItemKeys([PutSpan(item_id_of(1, 0), FIRST), PutSpan(item_id_of(1, 3), SECOND)])
    runs = [keys.of(item_id_of(1, n)).partition("-")[0] for n in range(1, 6)]
    assert runs == [FIRST, FIRST, FIRST, SECOND, SECOND]


def test_a_key_is_the_run_a_hyphen_and_the_id() -> None:
    """Its shape is promised, for columns that hold it."""
    item_id = item_id_of(1, 7)
    assert ItemKeys([PutSpan(0, FIRST)]).of(item_id) == f"{FIRST}-{item_id}"


def test_the_longest_key_has_the_length_that_is_promised() -> None:
    """The last item of the last queue."""
    key = ItemKeys([PutSpan(0, FIRST)]).of(item_id_of((1 << 23) - 1, ITEMS_PER_QUEUE_MAX))
    assert len(key) == KEY_LENGTH_MAX
    assert key.isascii()


@pytest.mark.parametrize("spans", [[], [PutSpan(item_id_of(1, 3), FIRST)]])
def test_an_item_whose_run_is_not_known_gets_no_key(spans: list[PutSpan]) -> None:
    """A wrong key would be worse than an error."""
    with pytest.raises(LookupError, match="which run put item"):
        ItemKeys(spans).of(item_id_of(1, 3))


def test_neighbours_are_named_by_the_runs_that_put_them() -> None:
    """As `of` names each of them; a run that has put nothing names none."""
    base = item_id_of(1, 0)
    third = uuid.uuid4().hex
    spans = [PutSpan(base, FIRST), PutSpan(base + 3, SECOND), PutSpan(base + 3, third)]
    keys = ItemKeys(spans)
    for first in range(1, 6):
        for last in range(first, 7):
            named = [
                f"{run}-{item_id}"
                for run, start, end in keys.runs(base + first, base + last)
                for item_id in range(start, end + 1)
            ]
            assert named == [keys.of(base + n) for n in range(first, last + 1)]
    with pytest.raises(LookupError, match="which run put item"):
        [*keys.runs(base, base + 1)]
