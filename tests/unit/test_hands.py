"""What a consumer holds, against a list of ids."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import FIRST, ids, items, numbers, ranges, together

from persistq.blocks import Slice
from persistq.broker.hands import Hands
from persistq.items import IdRange, ids_in

RANGE = st.tuples(st.integers(1, 30), st.integers(0, 5)).map(
    lambda drawn: IdRange(FIRST + drawn[0] - 1, FIRST + drawn[0] + drawn[1] - 1)
)


def handed(*slices: list[Slice]) -> Hands:
    """Return hands that got these."""
    hands = Hands()
    for some in slices:
        hands.hold(some)
    return hands


@given(
    pieces=st.permutations(range(6)),
    reports=st.lists(st.lists(RANGE, min_size=1, max_size=4), max_size=12),
    more=st.integers(0, 5),
)
@settings(deadline=None, max_examples=300)
def test_hands_are_a_list_of_ids(
    pieces: list[int], reports: list[list[IdRange]], more: int
) -> None:
    """Whatever is reported, in whatever order: all of it is held and goes, or nothing does."""
    hands, model = Hands(), list[int]()
    for piece in pieces[: more + 1]:
        hands.hold(together(5 * piece + 1, 5 * piece + 6))
        model += ids(*range(5 * piece + 1, 5 * piece + 6))
    for report in reports:
        named = [*ids_in(report)]
        held = len({*named}) == len(named) and {*named} <= {*model}
        assert hands.holds(report) is held
        taken = hands.take(report)
        assert (taken is not None) is held
        if taken is not None:
            assert [*ids_in(part.ids for part in taken)] == [i for i in model if i in named]
            model = [item_id for item_id in model if item_id not in named]
        assert [*ids_in(part.ids for part in hands)] == model
        assert hands.count == len(model)
        assert bool(hands) is bool(model)
        for item_id in ids(*range(1, 32)):
            assert (item_id in hands) is (item_id in model)
        for position, item_id in enumerate(model):
            behind = [*ids_in(part.ids for part in hands.behind(item_id))]
            assert behind == model[position + 1 :]


def test_usual_report_takes_whole_slices_as_they_were_handed_out() -> None:
    """Nothing is cut, and nothing copied."""
    slices = [*together(1, 101), *together(101, 201)]
    hands = handed(slices)
    taken = hands.take(ranges(*range(1, 201)))
    assert taken is not None
    assert [one is other for one, other in zip(taken, slices, strict=True)] == [True, True]
    assert not hands


def test_what_is_left_stays_in_its_place() -> None:
    """A slice that was handed out later has smaller ids; its pieces come later all the same."""
    hands = handed(together(11, 21), items(1, 2))
    assert hands.take(ranges(13, 14, 17)) is not None
    assert numbers(hands) == [11, 12, 15, 16, 18, 19, 20, 1]
    assert numbers(hands.behind(ids(18)[0])) == [19, 20, 1]


def test_a_range_over_a_gap_is_not_held() -> None:
    """Its ends are, and something between them is not."""
    hands = handed(together(1, 6))
    assert hands.take(ranges(3)) is not None
    assert hands.take([IdRange(*ids(1, 5))]) is None
    assert hands.take([IdRange(*ids(1, 6))]) is None
    assert hands.take([IdRange(ids(1)[0] - 1, ids(1)[0])]) is None
    assert numbers(hands) == [1, 2, 4, 5]
