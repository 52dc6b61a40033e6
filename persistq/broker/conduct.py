"""What a client may say, and when: looked at before a message is acted on.

A client is a process of the same user, and may still be of another mind, out of step or broken. No
message that passes here makes a handler of the broker raise; so what a handler raises is an error
of the journal or our own, and ends the broker, and what is raised here ends one connection.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, Final

from persistq.blocks import BYTES_MAX, ITEMS_MAX, Block, Origin
from persistq.broker.link import Link
from persistq.broker.session import Session
from persistq.broker.spools import OUTPUTS_MAX
from persistq.codec import Codec
from persistq.items import IdRange, queue_of
from persistq.journal.base import RunResult
from persistq.peer import Peer
from persistq.wire import messages
from persistq.wire.messages import Role

PAGE_ITEMS_MAX: Final = 100_000
TOGETHER_MAX: Final = 100_000
PID_MAX: Final = 2**31 - 1
NAME_MAX: Final = 255
REASON_MAX: Final = 100_000
NUMBER_MAX: Final = 2**62
SECONDS_MAX: Final = 1e15
CRC_MAX: Final = 2**32 - 1
ARRAY_BYTES_MAX: Final = 2 * BYTES_MAX
"""Most bytes of a block of several items, with what makes an array of them."""

CODECS: Final = frozenset(map(int, Codec))

Rule = Callable[[Session, Link, Any], bool]


class Misbehaviour(Exception):
    """A client has said something that it may not say, or not now."""


def require(session: Session, link: Link, message: messages.ClientMessage) -> None:
    """Look whether a client may say this.

    Raises:
        Misbehaviour: It may not.
    """
    roles, rule = RULES[type(message)]
    if link.role not in roles or (rule is not None and not rule(session, link, message)):
        raise Misbehaviour(f"{type(message).__name__} of {link.role}")


def _hello(session: Session, _: Link, hello: messages.Hello) -> bool:
    known = hello.role is not Role.CONSUMER or hello.queue_id in session.scheduler.lanes
    possible = 0 < hello.together <= TOGETHER_MAX
    return known and possible and _is_process(hello.peer)


def _is_process(peer: Peer) -> bool:
    named = len(peer.host) <= NAME_MAX and len(peer.node) <= NAME_MAX
    return named and 0 < peer.pid <= PID_MAX and 0 <= peer.started <= NUMBER_MAX


def _put(session: Session, _: Link, put: messages.Put) -> bool:
    return _is_entry(session, put.queue_id) and all(map(_is_block, put.blocks))


def _offer(session: Session, _: Link, offer: messages.Offer) -> bool:
    single = offer.block.count == 1 and _is_block(offer.block)
    return single and offer.maxsize > 0 and _is_entry(session, offer.queue_id)


def _seal(session: Session, _: Link, seal: messages.Seal) -> bool:
    return _is_entry(session, seal.queue_id)


def _done(session: Session, link: Link, done: messages.Done) -> bool:
    known = _is_report(session, link, done) and _is_duration(done.busy)
    return known and all(_may_put(session, link, done, outputs) for outputs in done.outputs)


def _spool(session: Session, link: Link, spool: messages.Spool) -> bool:
    """Return whether a consumer may spool these outputs, should it hold the item."""
    if not spool.blocks or not all(map(_is_block, spool.blocks)):
        return False
    made_of = [IdRange(spool.item_id, spool.item_id)]
    count = session.transitions.spools.count_of(link.number, spool.item_id)
    few = count + sum(block.count for block in spool.blocks) <= OUTPUTS_MAX
    queue_id = session.scheduler.consumers[link.number].queue_id
    targets = session.feeds[queue_id] if queue_id not in session.streaming else ()
    return few and bool(targets) and all(_takes(session, link, made_of, one) for one in targets)


def _stream(session: Session, link: Link, stream: messages.Stream) -> bool:
    """Return whether a consumer may put these outputs, should it hold the item."""
    if not stream.blocks or not all(map(_is_block, stream.blocks)):
        return False
    queue_id = session.scheduler.consumers[link.number].queue_id
    made_of = [IdRange(stream.item_id, stream.item_id)]
    begun = stream.first or session.streams.item_of(link.number) == stream.item_id
    open_to_it = all(_takes(session, link, made_of, one) for one in session.feeds[queue_id])
    return begun and open_to_it and queue_id in session.streaming


def _failed(session: Session, link: Link, failed: messages.Failed) -> bool:
    soon = failed.retry_after is None or _is_duration(failed.retry_after)
    return soon and _is_report(session, link, failed)


def _rest(_: Session, __: Link, rest: messages.Rest) -> bool:
    return len(rest.reason) <= REASON_MAX


def _is_report(
    _: Session,
    __: Link,
    report: messages.Done | messages.Failed | messages.Dropped | messages.GiveBack,
) -> bool:
    return _are_ranges(report.ids)


def _are_ranges(ids: Sequence[IdRange]) -> bool:
    """Return whether there may be items with these ids."""
    return all(
        0 <= first <= last <= NUMBER_MAX and queue_of(first) == queue_of(last)
        for first, last in ids
    )


def _of_queue(session: Session, _: Link, message: messages.Join | messages.Requeue) -> bool:
    return message.queue_id in session.scheduler.lanes


def _page(session: Session, _: Link, page: messages.Page) -> bool:
    known = page.queue_id in session.scheduler.lanes
    return known and 0 <= page.after_id <= NUMBER_MAX and 0 < page.limit <= PAGE_ITEMS_MAX


def _by_hand(session: Session, _: Link, order: messages.Retry | messages.Discard) -> bool:
    known = all(queue_of(ids[0]) in session.scheduler.lanes for ids in order.ids)
    return known and _are_ranges(order.ids)


def _replace(session: Session, _: Link, replace: messages.Replace) -> bool:
    known = queue_of(replace.item_id) in session.scheduler.lanes
    return known and replace.block.count == 1 and _is_block(replace.block)


def _watch(_: Session, __: Link, watch: messages.Watch) -> bool:
    return _is_duration(watch.interval)


def _overdue(_: Session, __: Link, overdue: messages.Overdue) -> bool:
    return _is_duration(overdue.limit)


def _worker_ended(_: Session, __: Link, ended: messages.WorkerEnded) -> bool:
    numbers = ended.pid, ended.exit_code, ended.signal, ended.peak_rss
    return all(-NUMBER_MAX <= number <= NUMBER_MAX for number in numbers)


def _farewell(_: Session, link: Link, farewell: messages.Farewell) -> bool:
    if not farewell.result:
        return True
    return link.role is Role.ANCHOR and farewell.result in {result.value for result in RunResult}


def _is_entry(session: Session, queue_id: int) -> bool:
    """Return whether a queue takes what comes from outside."""
    return queue_id in session.entries


def _may_put(session: Session, link: Link, done: messages.Done, outputs: messages.Outputs) -> bool:
    """Return whether a consumer may report these outputs of these items."""
    if len(outputs.blocks) != len(outputs.origins) or not all(map(_is_block, outputs.blocks)):
        return False
    ordered = sorted(done.ids)
    return _takes_outputs(session, link, done, outputs) and all(
        _is_made_of(ordered, origin, block.count)
        for origin, block in zip(outputs.origins, outputs.blocks, strict=True)
    )


def _is_made_of(ordered: Sequence[IdRange], origin: Origin, count: int) -> bool:
    """Return whether items were made of some in these ranges."""
    first, steps = origin
    if len(steps) not in {1, count - 1}:
        return False
    within = _range_with(ordered, first)
    if within is not None and origin.last(count) <= within.last:
        return True
    item_ids = accumulate(steps * (count - 1) if len(steps) == 1 else steps, initial=first)
    return all(_range_with(ordered, item_id) is not None for item_id in item_ids)


def _range_with(ordered: Sequence[IdRange], item_id: int) -> IdRange | None:
    position = bisect_right(ordered, (item_id, NUMBER_MAX)) - 1
    found = ordered[position] if position >= 0 else None
    return found if found is not None and item_id <= found.last else None


def _takes_outputs(
    session: Session, link: Link, done: messages.Done, outputs: messages.Outputs
) -> bool:
    """Return whether a stage that this consumer's feeds may still get items.

    Outputs of items that are not the consumer's any more do not count, and break no rule.
    """
    source, queue_id = session.scheduler.consumers[link.number].queue_id, outputs.queue_id
    fed = queue_id in session.feeds[source] and source not in session.streaming
    return fed and _takes(session, link, done.ids, queue_id)


def _takes(session: Session, link: Link, made_of: Sequence[IdRange], queue_id: int) -> bool:
    """Return whether a queue is open for what this consumer makes of items, if they are its."""
    sealed = session.scheduler.lanes[queue_id].row.sealed_total is not None
    return not (sealed and session.scheduler.consumers[link.number].hands.holds(made_of))


def _is_block(block: Block) -> bool:
    """Return whether there may be so many items in so many bytes; nobody looks into them here."""
    count, codec, data, crc = block
    array = 1 < count <= ITEMS_MAX and count <= len(data) <= ARRAY_BYTES_MAX
    return (array or count == 1) and codec in CODECS and 0 <= crc <= CRC_MAX


def _is_duration(seconds: float) -> bool:
    return 0.0 <= seconds <= SECONDS_MAX


_ANCHOR: Final = frozenset({Role.ANCHOR})
_PRODUCER: Final = frozenset({Role.PRODUCER})
_CONSUMER: Final = frozenset({Role.CONSUMER})
_CONTROL: Final = frozenset({Role.CONTROL})
_NOBODY_YET: Final[frozenset[Role | None]] = frozenset({None})

RULES: Final[dict[type, tuple[frozenset[Any], Rule | None]]] = {
    messages.Hello: (_NOBODY_YET, _hello),
    messages.Farewell: (frozenset(Role), _farewell),
    messages.Cancel: (_PRODUCER | _CONSUMER, None),
    messages.Put: (_PRODUCER, _put),
    messages.Offer: (_PRODUCER, _offer),
    messages.Take: (_CONSUMER, None),
    messages.Done: (_CONSUMER, _done),
    messages.Spool: (_CONSUMER, _spool),
    messages.Stream: (_CONSUMER, _stream),
    messages.Failed: (_CONSUMER, _failed),
    messages.Dropped: (_CONSUMER, _is_report),
    messages.GiveBack: (_CONSUMER, _is_report),
    messages.Rest: (_CONSUMER, _rest),
    messages.Flush: (_CONSUMER | _CONTROL, None),
    messages.Seal: (_CONTROL, _seal),
    messages.Fail: (_CONTROL, None),
    messages.Halt: (_CONTROL, None),
    messages.Join: (_CONTROL, _of_queue),
    messages.Sizes: (_CONTROL, None),
    messages.Page: (_CONTROL, _page),
    messages.Requeue: (_CONTROL, _of_queue),
    messages.Retry: (_CONTROL, _by_hand),
    messages.Discard: (_CONTROL, _by_hand),
    messages.Replace: (_CONTROL, _replace),
    messages.Watch: (_ANCHOR, _watch),
    messages.Overdue: (_ANCHOR, _overdue),
    messages.WorkerEnded: (_ANCHOR, _worker_ended),
}
"""Who may say what; and what must be true of it."""
