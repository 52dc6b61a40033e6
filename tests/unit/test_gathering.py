"""Groups in a lane: who waits for whom, what is handed out, and what is given up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lanes import CRASHED, QUEUE, RAISED, Records, new_lane, transitions_of

from persistq.blocks import JSON, Block, Slice, block_of, whole
from persistq.broker.capacity import Capacity
from persistq.broker.gathering import Gathering
from persistq.broker.lane import Lane
from persistq.broker.policy import Verdict
from persistq.broker.serving import next_window
from persistq.broker.space import Space
from persistq.errors import UsageError
from persistq.groups import LAST, Grouping, Mark, marked, marks_of, named, unmarked
from persistq.items import ids_in, item_id_of, number_of, ranges_of
from persistq.wire.messages import Patience


def block(*marks: Mark) -> Block:
    """Return items with these marks, as one block."""
    return block_of(*_alike([marked(mark, JSON, b"%d" % n) for n, mark in enumerate(marks)]))


def _alike(encoded: list[tuple[int, bytes]]) -> tuple[int, list[bytes]]:
    [codec] = {codec for codec, _ in encoded}
    return codec, [payload for _, payload in encoded]


def items(first: int, *marks: Mark) -> list[Slice]:
    """Return items with consecutive numbers and these marks."""
    return [whole(item_id_of(QUEUE, first), block(*marks))]


def of(key: str, size: int = 0, member: str = "") -> Mark:
    """Return a mark."""
    return Mark(key, size, member)


def read(gathering: Gathering, stored: dict[int, Slice]) -> list[list[int]]:
    """Read all groups that are complete, take them, and return the numbers of their items."""
    taken = []
    while gathering.unread or gathering.ready:
        while gathering.unread:
            _, spans = gathering.wanted()
            ids = [n for span in spans for n in range(span.after + 1, span.last + 1)]
            gathering.have_read([stored[item_id] for item_id in ids])
        taken.append([number_of(n) for part in gathering.take() for n in range(*_bounds(part))])
    return taken


def _bounds(part: Slice) -> tuple[int, int]:
    first, last = part.ids
    return first, last + 1


def stored(*slices: Slice) -> dict[int, Slice]:
    """Return items by id, each as a block by itself."""
    return {one.first_id: one for part in slices for one in part.apart()}


def test_a_group_is_complete_when_so_many_members_are_there() -> None:
    """Whichever of them tells how many; those of others wait."""
    gathering = Gathering()
    slices = items(1, of("a"), of("b", 2), of("a", 3), of("a"), of("b"), of("c", 2))
    gathering.note([slices[0]._replace(stop=3)])
    assert (gathering.waiting, gathering.unread) == (3, False)
    gathering.note([slices[0]._replace(start=3)])
    assert read(gathering, stored(*slices)) == [[1, 3, 4], [2, 5]]
    assert gathering.waiting == 1
    [left] = gathering.give_up(10)
    assert (left.key, left.count, left.size) == ("c", 1, 2)
    assert not gathering


def test_a_member_that_comes_twice_counts_once() -> None:
    """It is in the group all the same."""
    gathering = Gathering()
    slices = items(1, of("a", 2, "x"), of("a", 2, "x"), of("a", 2, "y"))
    gathering.note([slices[0]._replace(stop=2)])
    assert not gathering.unread
    gathering.note([slices[0]._replace(start=2)])
    assert read(gathering, stored(*slices)) == [[1, 2, 3]]


def test_the_last_one_completes_its_group_and_what_follows_is_another() -> None:
    """A key may come again."""
    gathering = Gathering()
    slices = items(1, of("a"), of("a", LAST), of("a"))
    gathering.note(slices)
    assert read(gathering, stored(*slices)) == [[1, 2]]
    assert gathering.waiting == 1


def test_what_is_put_back_goes_out_first_and_whole() -> None:
    """Also where its items lie in blocks with others."""
    gathering = Gathering()
    slices = items(1, of("a", 2), of("b", 2), of("a", 2), of("b", 2))
    gathering.note(slices)
    known = stored(*slices)
    assert read(gathering, known) == [[1, 3], [2, 4]]
    gathering.put_back(slices)
    assert read(gathering, known) == [[1, 3], [2, 4]]


def test_a_damaged_block_is_handed_out_to_whoever_says_so() -> None:
    """Each item by itself: nobody knows its group."""
    gathering = Gathering()
    [part] = items(1, of("a", 2), of("a", 2))
    damaged = part._replace(block=part.block._replace(crc=0))
    gathering.note([damaged])
    assert gathering.wanted()[0] == 1


def test_a_group_that_was_delayed_in_an_earlier_run_waits_as_long() -> None:
    """Until the last of its items is due."""
    gathering = Gathering()
    slices = items(1, of("a", 2), of("a", 2))
    gathering.dues = {item_id_of(QUEUE, 1): 5.0, item_id_of(QUEUE, 2): 7.0}
    gathering.note(slices)
    gathering.wake(6.0)
    assert (gathering.unread, gathering.due) == (False, 7.0)
    gathering.wake(7.0)
    assert read(gathering, stored(*slices)) == [[1, 2]]


KEYS = st.sampled_from("abc")


@given(
    st.lists(st.tuples(KEYS, st.integers(1, 3)), max_size=30),
    st.lists(st.integers(1, 5), max_size=10),
)
def test_the_next_run_finds_the_same_groups(puts: list[tuple[str, int]], cuts: list[int]) -> None:
    """However its items come, in their order: what is complete and what waits is the same."""
    sizes = dict(puts)
    marks = [of(key, sizes[key]) for key, _ in puts]
    slices = items(1, *marks) if marks else []
    whole_run, in_parts = Gathering(), Gathering()
    whole_run.note(slices)
    at = 0
    for cut in [*cuts, len(marks)] if slices else []:
        stop = min(len(marks), at + cut)
        if stop > at:
            in_parts.note([slices[0]._replace(start=at, stop=stop)])
            at = stop
    known = stored(*slices)
    groups = read(whole_run, known)
    assert read(in_parts, known) == groups
    assert in_parts.waiting == whole_run.waiting == len(marks) - sum(map(len, groups))
    assert all(len({marks[n - 1].key for n in group}) == 1 for group in groups)
    assert all(len(group) == sizes[marks[group[0] - 1].key] for group in groups)


# --- in a lane ---


def grouping_lane(*marks: Mark, **row: int) -> tuple[Lane, list[Slice]]:
    """Return a lane with these items, known and not read."""
    lane = new_lane(**row)
    lane.gathering = Gathering()
    slices = items(1, *marks)
    lane.row.next_n = len(marks) + 1
    lane.arrive(slices)
    return lane, slices


def recall(lane: Lane, slices: list[Slice]) -> None:
    """Read what is complete, as a broker does in each turn."""
    assert lane.gathering is not None
    while lane.gathering.unread:
        _, spans = lane.gathering.wanted()
        ids = [n for span in spans for n in range(span.after + 1, span.last + 1)]
        lane.gathering.have_read([stored(*slices)[item_id] for item_id in ids])


def test_a_group_of_which_a_worker_has_died_stays_whole() -> None:
    """In halves it would be none. All of it has crashed, and is parked in the end."""
    lane, slices = grouping_lane(of("a", 2), of("a", 2))
    transitions = transitions_of(Records(), lane, max_crashes=2)
    verdicts = []
    for consumer in (1, 2):
        recall(lane, slices)
        transitions.scheduler.join(consumer, QUEUE)
        transitions.scheduler.take(consumer, Patience.WAIT)
        [(_, window)] = transitions.hand_out(0.0)
        assert (window.count, window.sizes) == (2, (2,))
        verdicts += transitions.deaths.blame(consumer, window.first, CRASHED)
        transitions.leave(consumer)
    assert verdicts == [Verdict.RETRY] * 2 + [Verdict.PARK] * 2
    assert lane.row.parked == 2


def test_a_group_that_has_raised_is_due_at_one_time() -> None:
    """Its items are never apart."""
    lane, slices = grouping_lane(of("a", 2), of("a", 2))
    transitions = transitions_of(Records(), lane, retries=1, backoff=10.0)
    recall(lane, slices)
    transitions.scheduler.join(1, QUEUE)
    transitions.scheduler.take(1, Patience.WAIT)
    [(_, window)] = transitions.hand_out(0.0)
    ranges = ranges_of([*ids_in(window.ids)])
    assert transitions.attempts.fail(1, ranges, RAISED, now=0.0) == [Verdict.RETRY] * 2
    assert lane.gathering is not None
    due = lane.gathering.due
    assert due is not None
    lane.wake(due)
    recall(lane, slices)
    assert lane.gathering.ready


def test_a_group_is_not_given_up_while_its_last_item_is_being_put() -> None:
    """What is put and the seal may be in one batch."""
    lane, _ = grouping_lane(of("a", 2), of("b", 2))
    transitions = transitions_of(Records(), lane)
    transitions.intake.put(QUEUE, [block(of("a", 2))], synced=False)
    transitions.seals.seal(QUEUE)
    transitions.seals.advance()
    assert lane.row.parked == 0
    transitions.commit()
    transitions.seals.advance()
    assert lane.row.parked == 1
    assert lane.gathering is not None
    assert lane.gathering.unread


def test_what_waits_for_its_group_takes_no_room() -> None:
    """What would complete it would wait for it."""
    lane, _ = grouping_lane(*[of(f"{n}", 2) for n in range(8)])
    capacity = Capacity(lane.row, 8, 1 << 60, Space())
    assert capacity.lacks == "max_outstanding"
    capacity.gathering = lane.gathering
    assert (capacity.lacks, capacity.room) == ("", 8)


def test_a_hook_waits_until_its_stage_is_sealed() -> None:
    """One that is retried by hand with others comes after them."""
    lane = new_lane(1)
    lane.last = True
    assert next_window(lane, seconds=1.0, most=1, idle=True).count == 0
    assert lane.stands
    lane.row.sealed_total = 1
    assert next_window(lane, seconds=1.0, most=1, idle=True).count == 1


# --- marks ---


def test_a_mark_is_stored_with_its_item_and_taken_off_again() -> None:
    """JSON stays readable, and a pickle is not touched."""
    mark = of('"k"', 3, '"m"')
    codec, payload = marked(mark, JSON, b'{"a":1}')
    assert payload == b'[["\\"k\\"",3,"\\"m\\""],{"a":1}]'
    assert unmarked(codec, payload) == (mark, JSON, b'{"a":1}')
    assert unmarked(*marked(mark, 2, b"pickle")) == (mark, 2, b"pickle")
    assert unmarked(JSON, b"1") == (None, JSON, b"1")
    assert marks_of(whole(item_id_of(1, 1), block_of(JSON, [b"1", b"2"]))) == [None, None]


def test_equal_keys_have_equal_names_and_long_ones_a_digest() -> None:
    """What has no such name is refused: it might be another one in the next process."""
    assert named(("a", 1)) == named(["a", 1]) == '["a",1]'
    assert named("1") != named(1)
    assert len(named("x" * 1000)) == 32
    for value in (1.5, object(), {"a": 1}, b"x"):
        with pytest.raises(UsageError, match="is no key of a group"):
            named(value)


def test_a_grouping_asks_functions_and_fields() -> None:
    """Of mappings their items, of other objects their attributes."""
    assert Grouping("s", "key", 3).mark({"key": 1}) == of("1", 3)
    assert Grouping("s", "numerator", "denominator").mark(True) == of("1", 1)
    assert Grouping("s", lambda n: n % 2, lambda n: n).mark(5) == of("1", 5)
    assert Grouping("s", "key", last="end").mark({"key": 1, "end": True}) == of("1", LAST)
    with pytest.raises(UsageError, match="group_size=0 is no size"):
        Grouping("s", "key", "size").mark({"key": 1, "size": 0})
    with pytest.raises(UsageError, match="is no set"):
        Grouping("s", "key", member="m", members=lambda _: "abc").mark({"key": 1, "m": "a"})
