"""What is made of an item at work: of one attempt, of one consumer, and of nobody else's."""

from __future__ import annotations

import random
from typing import Any

import pytest
from lanes import QUEUE, RAISED, ZERO, Records, block, ids, items, new_lane, ranges

from persistq.blocks import Origin
from persistq.broker.absorb import Absorber
from persistq.broker.lane import Lane
from persistq.broker.policy import FailurePolicy
from persistq.broker.scheduler import Scheduler
from persistq.broker.spools import Spools
from persistq.broker.streams import Streams
from persistq.broker.transitions import Transitions
from persistq.client.outputs import SPOOLED_BLOCKS, SPOOLED_BYTES, encoded, stream
from persistq.codec import ItemCodec
from persistq.errors import ItemNotStorable
from persistq.graph import Graph
from persistq.items import IdRange, item_id_of
from persistq.journal.batch import Batch, Published, Put, Spooled, Streamed
from persistq.journal.queuerow import QueueRow
from persistq.wire.messages import Outputs, Patience, StageSpec, Stream

NEXT, OTHER = 2, 3
ITEM = ids(1)[0]


def target(number: int, queue_id: int = NEXT) -> int:
    """Return the id of an item of a queue that is fed."""
    return item_id_of(queue_id, number)


def two_fed(put: int = 2) -> tuple[Transitions, Lane, Lane]:
    """Return a stage with items, consumers 1 and 2 holding one each, and two that it feeds."""
    lane = new_lane(put)
    lanes = [lane, *(Lane(QueueRow(n, 1, n, name), 10**6) for n, name in ((2, "a"), (3, "b")))]
    scheduler = Scheduler(window_time=1.0, window_max=1)
    for one in lanes:
        scheduler.add_lane(one)
    graph = Graph({"load": ("a", "b"), "a": (), "b": ()})
    rules = FailurePolicy(StageSpec("load", retries=9), random.Random(1))
    policies = {one.row.queue_id: rules for one in lanes}
    journal: Any = Records()
    rows = [one.row for one in lanes]
    transitions = Transitions(journal, rows, graph, scheduler, policies, lambda: ZERO)
    for consumer in (1, 2):
        scheduler.join(consumer, QUEUE)
        scheduler.take(consumer, Patience.WAIT)
        list(scheduler.assign(0.0))
    return transitions, lanes[1], lanes[2]


def recorded(transitions: Transitions) -> Batch:
    """Return what a commit would record now."""
    return transitions.record.batch


def test_what_is_spooled_is_published_when_its_item_is_finished() -> None:
    """To each stage that is fed, by one record, in the batch of the done record."""
    transitions, near, far = two_fed()
    assert transitions.interim.spool(1, ITEM, [block(1, 4), block(4, 6)])
    assert transitions.interim.spool(1, ITEM, [block(6, 7)])
    batch = recorded(transitions)
    assert batch.spooled == [
        Spooled(1, 0, block(1, 4), ITEM),
        Spooled(1, 3, block(4, 6), ITEM),
        Spooled(1, 5, block(6, 7), ITEM),
    ]
    assert not batch.published
    assert not batch.queues
    transitions.commit()
    assert transitions.finish(1, ranges(1), 0.1)
    batch = recorded(transitions)
    assert batch.done == ranges(1)
    assert batch.published == [
        Published(target(1, queue_id), 6, 1, ITEM) for queue_id in (NEXT, OTHER)
    ]
    assert (near.row.put, far.row.put) == (6, 6)
    assert list(transitions.spools) == []


def test_what_is_published_waits_on_disk_and_so_does_what_is_put_behind_it() -> None:
    """In the order of their ids, and each once."""
    transitions, near, _ = two_fed()
    before = Outputs(NEXT, [block(1, 3)], [Origin(ids(2)[0])])
    assert transitions.finish(2, ranges(2), 0.1, [before])
    transitions.interim.spool(1, ITEM, [block(3, 9)])
    assert transitions.finish(1, ranges(1), 0.1)
    transitions.intake.put(NEXT, [block(9, 10)], synced=False)
    assert recorded(transitions).puts[1:] == [Put(target(9), block(9, 10), None)]
    transitions.commit()
    assert [part.ids for part in near.ready.take(9, exactly=True)] == [
        IdRange(target(1), target(2))
    ]
    assert [(span.after, span.last) for span in near.backlog] == [(target(2), target(9))]
    assert near.backlog[0].untouched


def test_results_are_done_when_they_are_recorded_and_nobody_gets_them() -> None:
    """Also those that were spooled; others that are fed get them as work."""
    transitions, near, far = two_fed()
    transitions.intake.results = {NEXT}
    made = Outputs(NEXT, [block(1, 3)], [Origin(ids(2)[0])])
    assert transitions.finish(2, ranges(2), 0.1, [made])
    transitions.interim.spool(1, ITEM, [block(3, 9)])
    assert transitions.finish(1, ranges(1), 0.1)
    batch = recorded(transitions)
    assert {IdRange(target(1), target(2)), IdRange(target(3), target(8))} < {*batch.done}
    assert near.row in batch.queues.values()
    transitions.commit()
    assert (near.row.put, near.row.done, near.row.outstanding) == (8, 8, 0)
    assert not near.ready
    assert not near.backlog
    assert (far.row.put, far.row.outstanding) == (6, 6)
    assert far.backlog


def test_what_is_spooled_of_an_attempt_that_ends_otherwise_is_void() -> None:
    """The next attempt at the item, whoever makes it, has a spool of its own."""
    for end in ("fail", "drop", "give_back", "leave"):
        transitions, near, _ = two_fed()
        assert transitions.interim.spool(1, ITEM, [block(1, 4)])
        if end == "fail":
            transitions.attempts.fail(1, ranges(1), RAISED, now=0.0)
        elif end == "drop":
            transitions.drop(1, ranges(1), "")
        else:
            getattr(transitions, end)(1, *([ranges(1)] if end == "give_back" else []))
        assert list(transitions.spools) == [], end
        assert not recorded(transitions).published
        assert near.row.put == 0
        transitions.scheduler.consumers[2].hands.hold(items(1, 2))
        assert transitions.interim.spool(2, ITEM, [block(7, 8)])
        assert recorded(transitions).spooled[-1] == Spooled(2, 0, block(7, 8), ITEM)


def test_a_late_report_publishes_nothing() -> None:
    """Nor does one of another item."""
    transitions, near, _ = two_fed()
    assert not transitions.interim.spool(1, ids(2)[0], [block(1, 4)]), "the item is in other hands"
    assert transitions.interim.spool(1, ITEM, [block(1, 4)])
    assert not transitions.finish(1, ranges(1, 2), 0.1)
    assert not transitions.finish(2, ranges(1), 0.1)
    assert transitions.finish(2, ranges(2), 0.1)
    assert not recorded(transitions).published
    assert near.row.put == 0


def test_spools_are_of_one_consumer_each() -> None:
    """Who leaves takes only his own."""
    spools = Spools(7)
    assert spools.add(1, 10, [block(1, 3)]) == [Spooled(7, 0, block(1, 3), 10)]
    assert spools.add(2, 20, [block(1, 3)]) == [Spooled(8, 0, block(1, 3), 20)]
    assert [spools.count_of(1, 10), spools.count_of(2, 10), spools.count_of(9, 9)] == [2, 0, 0]
    assert spools.end(2, [IdRange(1, 19)]) == []
    spools.leave(1)
    assert [one.item_id for one in spools] == [20]


# --- streams ---


def test_what_is_streamed_is_put_at_once_and_remembered() -> None:
    """Its ids are recorded beside it, with what it was made of."""
    transitions, near, _ = two_fed()
    transitions.interim.stream(ITEM, NEXT, [block(1, 4), block(4, 6)])
    transitions.interim.stream(ITEM, NEXT, [])
    origin = Origin(ITEM)
    batch = recorded(transitions)
    assert batch.puts == [
        Put(target(1), block(1, 4), origin),
        Put(target(4), block(4, 6), origin),
    ]
    assert batch.streamed == [Streamed(ITEM, IdRange(target(1), target(5)))]
    transitions.commit()
    assert near.ready.count == 5


def test_an_attempt_absorbs_what_those_before_have_streamed_and_nothing_of_its_own() -> None:
    """Another attempt begins with what is in the journal then."""
    seen: list[tuple[int, int]] = []

    class Log:
        """Stands for the journal and an absorber."""

        def streamed(self, item_id: int) -> list[IdRange]:
            """Two queues were fed."""
            return [IdRange(target(1), target(4)), IdRange(target(1, OTHER), target(2, OTHER))]

        def put_page(self, after: int, last: int, *_: int) -> list[Any]:
            """Say what was asked for; it has been lost."""
            seen.append((after, last))
            return []

    log: Any = Log()
    streams = Streams(log, lambda: Absorber(log, lambda: pytest.fail("nothing is indexed")))
    message = Stream(ITEM, [block(1, 3)], True)
    streams.begin(1, ITEM)
    assert streams.item_of(1) == ITEM
    assert streams.admit(1, OTHER, message) == [block(1, 3)]
    assert seen == [(target(0, OTHER), target(2, OTHER))]
    streams.leave(1)
    assert streams.item_of(1) == 0


# --- a worker's side ---


def test_much_is_spooled_while_it_comes_and_the_rest_with_it() -> None:
    """By number of blocks, or by bytes; then nothing is left to report."""
    for values in (range(SPOOLED_BLOCKS * 512 + 1), ["x" * 20_000] * (SPOOLED_BYTES // 10_000)):
        sent: list[Any] = []
        made = encoded(values, ItemCodec(), lambda blocks, sent=sent: sent.append(blocks))
        assert made == ()
        assert len(sent) > 1
        assert all(sum(len(one.data) for one in blocks) < 2 * SPOOLED_BYTES for blocks in sent)
        payloads = [payload for blocks in sent for one in blocks for payload in one.payloads()]
        assert payloads == [ItemCodec().encode(value)[1] for value in values]


def test_little_is_not_spooled() -> None:
    """It goes with the report, where it costs no row of its own."""
    made = encoded(range(SPOOLED_BLOCKS * 512 - 1), ItemCodec(), lambda _: pytest.fail("spooled"))
    assert len(made) == SPOOLED_BLOCKS - 1 + 511


def test_what_is_streamed_waits_for_little_company(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first value goes at once; each further one with those of the next ten milliseconds."""
    clock = iter([1.0, 1.0, 1.004, 1.02, 1.02])
    monkeypatch.setattr("persistq.client.outputs._now", lambda: next(clock))
    sent: list[tuple[int, bool]] = []

    def send(blocks: list[Any], *, first: bool) -> None:
        sent.append((sum(one.count for one in blocks), first))

    stream([1, 2, 3], ItemCodec(), send)
    assert sent == [(1, True), (2, False)]


def test_an_error_in_the_middle_of_a_stream_comes_after_what_was_before_it() -> None:
    """What has gone on cannot be taken back."""
    sent: list[Any] = []
    with pytest.raises(ItemNotStorable):
        stream([1, lambda: None], ItemCodec(), lambda blocks, first: sent.append(blocks))
    assert len(sent) == 1
