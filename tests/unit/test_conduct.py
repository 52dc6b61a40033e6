"""What a client may say of blocks, ranges and origins; nothing is acted on before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from lanes import QUEUE, block, ids, items, ranges

from persistq.blocks import Block, Origin, block_of
from persistq.broker import conduct
from persistq.broker.conduct import Misbehaviour
from persistq.broker.scheduler import Consumer
from persistq.broker.sources import Sources
from persistq.items import IdRange
from persistq.journal.sourcerow import SourceRow
from persistq.wire import messages
from persistq.wire.messages import Patience, Role

NEXT = 2
ONE = block(1, 2)
MANY = block(1, 9)


def accepted(
    role: Role,
    message: Any,
    *,
    sealed: bool = False,
    held: int = 9,
    streaming: bool = False,
    spooled: int = 0,
    begun: int = 0,
    cursor: bool = True,
    keyed: bool = False,
    source_id: int = 0,
    polls: bool = False,
) -> bool:
    """Return whether a client of a load with two stages may say this."""
    consumer = Consumer(QUEUE)
    consumer.hands.hold(items(1, held + 1))
    row = SimpleNamespace(sealed_total=0 if sealed else None, keyed=keyed)
    lane = SimpleNamespace(row=row)
    session: Any = SimpleNamespace(
        goes_on=lambda _: cursor,
        polls=lambda _: polls,
        entries={QUEUE},
        feeds={QUEUE: {NEXT}, NEXT: set()},
        targets={QUEUE: {NEXT}, NEXT: set()},
        scheduler=SimpleNamespace(lanes={QUEUE: lane, NEXT: lane}, consumers={5: consumer}),
        streaming={QUEUE} if streaming else set(),
        streams=SimpleNamespace(item_of=lambda number: begun),
        row=lambda _: row,
        transitions=SimpleNamespace(
            spools=SimpleNamespace(count_of=lambda *_: spooled),
            sources=Sources([SourceRow(3, QUEUE, "rows")] if source_id else []),
        ),
    )
    link: Any = SimpleNamespace(role=role, number=5, source_id=source_id)
    try:
        conduct.require(session, link, message)
    except Misbehaviour:
        return False
    return True


@pytest.mark.parametrize(
    ("told", "fine"),
    [
        (ONE, True),
        (MANY, True),
        (block_of(1, [b"a", b"b"]), True),
        (ONE._replace(crc=0), True),
        (block_of(0, [b"1"] * 512), True),
        (block_of(0, [b"x" * 100_000]), True),
        (ONE._replace(count=0), False),
        (ONE._replace(count=-1), False),
        (ONE._replace(count=2), False),
        (MANY._replace(count=513), False),
        (MANY._replace(count=2**63), False),
        (MANY._replace(codec=3), False),
        (MANY._replace(codec=-1), False),
        (MANY._replace(crc=2**32), False),
        (MANY._replace(crc=-1), False),
        (block_of(0, [b"1" * 20_000] * 2), False),
    ],
)
def test_a_block_is_one_that_a_journal_can_take(told: Block, fine: bool) -> None:
    """Whether its bytes are what it says is for those to find out who read them."""
    assert accepted(Role.PRODUCER, messages.Put(QUEUE, [ONE, told])) is fine
    made = messages.Outputs(NEXT, [told], [Origin(ids(1)[0], b"\0")])
    assert accepted(Role.CONSUMER, messages.Done(ranges(1), 0.1, [made])) is fine
    offer = messages.Offer(QUEUE, told, 1, Patience.WAIT)
    assert accepted(Role.PRODUCER, offer) is (fine and told.count == 1)


@pytest.mark.parametrize(
    ("told", "goes_on", "fine"),
    [
        (ONE, True, True),
        (ONE, False, False),
        (MANY, True, False),
        (ONE._replace(codec=3), True, False),
        (ONE._replace(crc=-1), True, False),
    ],
)
def test_a_cursor_is_one_value_of_a_source_that_takes_it(
    told: Block, goes_on: bool, fine: bool
) -> None:
    """Others would find one that nobody has asked for."""
    put = messages.Put(QUEUE, [MANY], told)
    assert accepted(Role.PRODUCER, put, cursor=goes_on, source_id=3) is fine
    assert not accepted(Role.PRODUCER, put, cursor=goes_on)


@pytest.mark.parametrize(
    ("source_id", "queue_id", "fine"), [(3, 0, True), (3, 1, False), (4, 0, False)]
)
def test_a_source_puts_on_its_own_stage(source_id: int, queue_id: int, fine: bool) -> None:
    """Others would be absorbed as what it has put, and end what it has not ended."""
    target = (QUEUE, NEXT)[queue_id]
    put, seal = messages.Put(target, [ONE]), messages.Seal(1, target, source_id)
    assert accepted(Role.PRODUCER, put, source_id=source_id) is fine
    assert accepted(Role.CONTROL, seal, source_id=source_id) is fine
    assert not accepted(Role.CONTROL, messages.Seal(1, QUEUE), source_id=3)


@pytest.mark.parametrize(
    ("poll", "polls", "fine"),
    [
        (messages.Poll(1, 10, 0.1, 0.0), True, True),
        (messages.Poll(1, 10, 0.1, 0.0), False, False),
        (messages.Poll(1, 0, 0.1, 0.0), True, False),
        (messages.Poll(1, 10, -0.1, 0.0), True, False),
        (messages.Poll(1, 10, 0.1, float("nan")), True, False),
    ],
)
def test_only_a_source_that_is_polled_asks_for_room(
    poll: messages.Poll, polls: bool, fine: bool
) -> None:
    """For a number of items, and for lengths of time that there are."""
    assert accepted(Role.CONTROL, poll, source_id=3, polls=polls) is fine
    assert not accepted(Role.CONTROL, poll, polls=polls)


@pytest.mark.parametrize(
    ("named", "fine"),
    [
        ([], True),
        (ranges(1, 2, 4), True),
        ([IdRange(7, 6)], False),
        ([IdRange(-3, 2)], False),
        ([IdRange(ids(1)[0], ids(1)[0] + 2**40)], False),
        ([IdRange(2**63, 2**63)], False),
    ],
)
def test_a_range_is_of_one_queue_and_goes_upwards(named: list[IdRange], fine: bool) -> None:
    """Whether its items are the sender's is another question."""
    for report in (
        messages.Done(named, 0.1),
        messages.Failed(named, "ValueError", "no", ""),
        messages.Deferred(named, "Retry", "not now", 1.0),
        messages.Dropped(named, ""),
        messages.GiveBack(named),
    ):
        assert accepted(Role.CONSUMER, report) is fine


@pytest.mark.parametrize(
    ("reported", "origin", "count", "fine"),
    [
        (ranges(2), Origin(ids(2)[0]), 8, True),
        (ranges(2), Origin(ids(2)[0], b""), 1, True),
        (ranges(1, 2, 3, 4, 5, 6, 7, 8), Origin(ids(1)[0], b"\1"), 8, True),
        (ranges(1, 3, 5), Origin(ids(1)[0], b"\0\2\2"), 4, True),
        (ranges(1, 3, 5), Origin(ids(1)[0], b"\2"), 3, True),
        (ranges(2), Origin(ids(1)[0]), 8, False),
        (ranges(2), Origin(ids(3)[0]), 1, False),
        (ranges(1, 2, 3), Origin(ids(1)[0], b"\1"), 8, False),
        (ranges(1, 3, 5), Origin(ids(1)[0], b"\0\1\3"), 4, False),
        (ranges(1, 3, 5), Origin(ids(1)[0], b"\0\2"), 4, False),
        (ranges(1, 3, 5), Origin(ids(1)[0], b""), 4, False),
        (ranges(1), Origin(-1), 1, False),
        (ranges(1), Origin(2**64 - 1), 1, False),
    ],
)
def test_outputs_are_made_of_what_is_reported(
    reported: list[IdRange], origin: Origin, count: int, fine: bool
) -> None:
    """Each single one, also where the report has gaps."""
    made = messages.Outputs(NEXT, [block(1, 1 + count)], [origin])
    assert accepted(Role.CONSUMER, messages.Done(reported, 0.1, [made])) is fine


def test_outputs_go_where_the_stage_leads_and_no_further() -> None:
    """With one origin a block, to a stage that this one feeds and that may still get items."""
    origin = Origin(ids(1)[0])

    def may(queue_id: int, origins: list[Origin], **state: Any) -> bool:
        made = messages.Outputs(queue_id, [ONE], origins)
        return accepted(Role.CONSUMER, messages.Done(ranges(1), 0.1, [made]), **state)

    assert may(NEXT, [origin])
    assert not may(QUEUE, [origin])
    assert not may(NEXT, [])
    assert not may(NEXT, [origin, origin])
    assert not may(NEXT, [origin], sealed=True)
    assert may(NEXT, [origin], sealed=True, held=0), "a late report breaks no rule"


def test_outputs_are_spooled_where_a_stage_leads_somewhere() -> None:
    """At least one block at a time, each one that a journal can take, and not without end."""
    item_id = ids(1)[0]

    def may(blocks: list[Block], **state: Any) -> bool:
        return accepted(Role.CONSUMER, messages.Spool(item_id, blocks), **state)

    assert may([ONE, MANY])
    assert may([ONE], spooled=2**36 - 2)
    assert not may([ONE], spooled=2**36 - 1)
    assert not may([])
    assert not may([ONE, MANY._replace(count=1000)])
    assert not may([ONE], sealed=True)
    assert may([ONE], sealed=True, held=0), "a late one breaks no rule"
    assert not may([ONE], streaming=True)
    assert not accepted(Role.PRODUCER, messages.Spool(item_id, [ONE]))


def test_only_a_stage_that_streams_streams_and_it_does_nothing_else() -> None:
    """What of its outputs came with a report would not be absorbed."""
    item_id = ids(1)[0]

    def may(blocks: list[Block], *, first: bool = True, **state: Any) -> bool:
        message = messages.Stream(item_id, blocks, first)
        return accepted(Role.CONSUMER, message, **{"streaming": True, **state})

    assert may([ONE, MANY])
    assert not may([])
    assert not may([MANY._replace(codec=7)])
    assert not may([ONE], streaming=False)
    assert not may([ONE], sealed=True)
    assert may([ONE], sealed=True, held=0)
    assert not may([ONE], first=False)
    assert may([ONE], first=False, begun=item_id)
    assert not may([ONE], first=False, begun=item_id + 1)
    made = messages.Outputs(NEXT, [ONE], [Origin(item_id)])
    assert accepted(Role.CONSUMER, messages.Done(ranges(1), 0.1, [made]))
    assert not accepted(Role.CONSUMER, messages.Done(ranges(1), 0.1, [made]), streaming=True)


@pytest.mark.parametrize(
    ("named", "fine"),
    [
        (ranges(1, 2, 4), True),
        ([IdRange(7, 6)], False),
        ([IdRange(ids(1)[0], ids(1)[0] + 2**40)], False),
        ([IdRange(2**45, 2**45)], False),
    ],
)
def test_only_items_of_this_load_are_changed_by_hand(named: list[IdRange], fine: bool) -> None:
    """By who controls it; what of them is not parked stays as it is."""
    for order in (messages.Retry(1, named), messages.Discard(1, named, "")):
        assert accepted(Role.CONTROL, order) is fine
        assert not accepted(Role.CONSUMER, order)
    assert accepted(Role.CONTROL, messages.Replace(1, ids(1)[0], ONE, ""))
    assert not accepted(Role.CONTROL, messages.Replace(1, ids(1)[0], MANY, ""))
    assert not accepted(Role.CONTROL, messages.Replace(1, 2**45, ONE, ""))
    assert not accepted(Role.PRODUCER, messages.Replace(1, ids(1)[0], ONE, ""))


DIGEST = bytes(range(16))
KEYED = ONE._replace(digests=DIGEST)


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize(
    ("told", "has_keys"),
    [
        (ONE, False),
        (KEYED, True),
        (ONE._replace(digests=DIGEST[1:]), None),
        (ONE._replace(digests=b""), None),
        (MANY._replace(digests=DIGEST), None),
    ],
)
def test_items_have_natural_keys_exactly_where_their_queue_has(
    told: Block, has_keys: bool | None, *, keyed: bool
) -> None:
    """A key for each item; whatever the message is that puts them."""
    fine = has_keys is keyed
    assert accepted(Role.PRODUCER, messages.Put(QUEUE, [told]), keyed=keyed) is fine
    outputs = [messages.Outputs(NEXT, [told], [Origin(ids(1)[0])])]
    assert accepted(Role.CONSUMER, messages.Done(ranges(1), 0.0, outputs), keyed=keyed) is fine
    stream = messages.Stream(ids(1)[0], [told], first=True)
    assert accepted(Role.CONSUMER, stream, streaming=True, keyed=keyed) is fine


def test_nothing_is_spooled_for_a_queue_with_natural_keys() -> None:
    """Which of it is new would be known too late."""
    item_id = ids(1)[0]
    assert accepted(Role.CONSUMER, messages.Spool(item_id, [ONE]))
    assert not accepted(Role.CONSUMER, messages.Spool(item_id, [ONE]), keyed=True)
    assert not accepted(Role.CONSUMER, messages.Spool(item_id, [KEYED]), keyed=True)
    assert not accepted(Role.CONSUMER, messages.Spool(item_id, [KEYED]))


def test_neither_a_cursor_nor_an_edited_item_brings_a_natural_key() -> None:
    """The one has none, and the other keeps that of the item before."""
    assert not accepted(Role.PRODUCER, messages.Put(QUEUE, [ONE], KEYED))
    replace = messages.Replace(1, ids(1)[0], KEYED, "")
    assert not accepted(Role.CONTROL, replace, keyed=True)
