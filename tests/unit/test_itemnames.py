"""Names of items: what is shown can be typed, whatever a stage is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistq.errors import UsageError
from persistq.itemnames import ItemName, item_name, parse_item_name, stage_called
from persistq.items import ITEMS_PER_QUEUE_MAX, item_id_of

NUMBERS = st.integers(1, ITEMS_PER_QUEUE_MAX)


@given(st.text(min_size=1), NUMBERS, st.none() | st.integers(1, 2**40))
def test_what_is_shown_is_understood(stage: str, number: int, load: int | None) -> None:
    """Also of stages with colons, digits, spaces, line ends and the like in their names."""
    shown = item_name(stage, item_id_of(7, number), load)
    assert shown.isprintable()
    parsed = parse_item_name(shown)
    assert isinstance(parsed, ItemName)
    assert (parsed.number, parsed.load_id) == (number, load)
    assert stage_called(parsed.stage, [stage], "load 1") == stage


@given(st.integers(1, 2**23 - 1), NUMBERS)
def test_the_number_in_the_journal_is_understood(queue_id: int, number: int) -> None:
    """As it stands in JSON and in keys."""
    item_id = item_id_of(queue_id, number)
    assert parse_item_name(str(item_id)) == item_id


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "'' names no item: give its stage and its number there, as in clean:6"),
        ("clean", "'clean' names no item: give its stage and its number there, as in clean:6"),
        (":6", "':6' names no item: give its stage and its number there, as in clean:6"),
        ("a:6@3@4", "'a:6@3@4' names no item: give its stage and its number there, as in clean:6"),
        (
            "store:",
            (
                "'store:' names no item: behind the last colon stands the item's number, from 1, "
                "as in store:6"
            ),
        ),
        (
            "store:0",
            (
                "'store:0' names no item: behind the last colon stands the item's number, from 1, "
                "as in store:6"
            ),
        ),
        (
            "store:x6",
            (
                "'store:x6' names no item: behind the last colon stands the item's number, from 1, "
                "as in store:6"
            ),
        ),
        (
            f"store:{ITEMS_PER_QUEUE_MAX + 1}",
            (
                f"'store:{ITEMS_PER_QUEUE_MAX + 1}' names no item: behind the last colon stands "
                "the item's number, from 1, as in store:6"
            ),
        ),
        (
            "store:6@",
            (
                "'store:6@' names no item: behind the @ stands the number of a load, from 1, "
                "as in store:6@3"
            ),
        ),
        (
            "store:6@last",
            (
                "'store:6@last' names no item: behind the @ stands the number of a load, from 1, "
                "as in store:6@3"
            ),
        ),
        ("6", "6 alone names no item: give its stage too, as in clean:6"),
        (
            str(item_id_of(1, 0)),
            f"{1 << 40} alone names no item: give its stage too, as in clean:{1 << 40}",
        ),
        (
            "9" * 5000,
            f"{'9' * 5000} alone names no item: give its stage too, as in clean:{'9' * 20}",
        ),
    ],
)
def test_each_mistake_has_its_sentence(typed: str, sentence: str) -> None:
    """It says what was typed, and what to type."""
    with pytest.raises(UsageError) as refused:
        parse_item_name(typed)
    assert str(refused.value) == sentence


def test_an_unknown_stage_is_answered_with_the_nearest() -> None:
    """And with all there are."""
    with pytest.raises(UsageError) as refused:
        stage_called("claen", ["clean", "store"], "load 1 of 'sales'")
    assert str(refused.value) == (
        "load 1 of 'sales' has no stage 'claen'; did you mean clean? its stages are: clean, store"
    )
    with pytest.raises(UsageError, match="has no stage 'x'; its stages are: none"):
        stage_called("x", [], "load 1")
