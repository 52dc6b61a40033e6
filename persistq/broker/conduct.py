"""What a client may say, and when: looked at before a message is acted on.

A client is a process of the same user, and may still be of another mind, out of step or broken. No
message that passes here makes a handler of the broker raise; so what a handler raises is an error
of the journal or our own, and ends the broker, and what is raised here ends one connection.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any, Final

from persistq.blocks import BYTES_MAX, DIGEST_BYTES, ITEMS_MAX, Block, Origin
from persistq.broker.link import Link
from persistq.broker.ranking import UNRANKED
from persistq.broker.session import Session
from persistq.broker.spools import OUTPUTS_MAX
from persistq.codec import Codec
from persistq.items import IdRange, item_id_of, queue_of
from persistq.journal.run import RunResult
from persistq.peer import Peer
from persistq.site.fence import SLOTS
from persistq.timings import BOUNDS
from persistq.wire import messages
from persistq.wire.messages import Role

PAGE_ITEMS_MAX: Final = 100_000
TOGETHER_MAX: Final = 100_000
PID_MAX: Final = 2**31 - 1
NAME_MAX: Final = 255
LINES_TOLD_MAX: Final = 10_000
LINE_CHARS_MAX: Final = 10_000
COUNT_MAX: Final = 2**40
SLOW_TOLD_MAX: Final = 100
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
    possible = 0 < hello.together <= TOGETHER_MAX and 0 < hello.at_once <= SLOTS
    named = not hello.source_id or _is_source(session, hello.source_id, hello.queue_id)
    return known and possible and named and _is_process(hello.peer)


def _is_source(session: Session, source_id: int, queue_id: int) -> bool:
    """Return whether there is such a source of a queue."""
    source = session.transitions.sources.rows.get(source_id)
    return source is not None and source.queue_id == queue_id


def _is_process(peer: Peer) -> bool:
    named = len(peer.host) <= NAME_MAX and len(peer.node) <= NAME_MAX
    return named and 0 < peer.pid <= PID_MAX and 0 <= peer.started <= NUMBER_MAX


def _put(session: Session, link: Link, put: messages.Put) -> bool:
    known = _may_feed(session, link.source_id, put.queue_id) and all(map(_is_block, put.blocks))
    known = known and _have_keys(session, put.queue_id, put.blocks)
    return known and (put.cursor is None or _is_cursor(session, link, put.cursor))


def _is_cursor(session: Session, link: Link, cursor: Block) -> bool:
    said = bool(link.source_id) and session.goes_on(link.source_id)
    plain = cursor.count == 1 and cursor.bare
    return said and plain and _is_block(cursor)


def _offer(session: Session, link: Link, offer: messages.Offer) -> bool:
    single = offer.block.count == 1 and _is_block(offer.block) and offer.maxsize > 0
    known = _may_feed(session, link.source_id, offer.queue_id)
    return single and known and _have_keys(session, offer.queue_id, [offer.block])


def _seal(session: Session, _: Link, seal: messages.Seal) -> bool:
    return _may_feed(session, seal.source_id, seal.queue_id)


def _poll(session: Session, link: Link, poll: messages.Poll) -> bool:
    polled = bool(link.source_id) and session.polls(link.source_id)
    return (
        polled and 0 < poll.most <= NUMBER_MAX and all(map(_is_duration, (poll.idle, poll.pause)))
    )


def _fail(_: Session, __: Link, fail: messages.Fail) -> bool:
    return _is_duration(fail.patience)


def _may_feed(session: Session, source_id: int, queue_id: int) -> bool:
    """Return whether a source, or who is none, may put on a queue."""
    if source_id:
        return _is_source(session, source_id, queue_id)
    return queue_id in session.entries and not session.transitions.sources.of_queue(queue_id)


def _take(session: Session, link: Link, take: messages.Take) -> bool:
    return 0 <= take.room <= session.scheduler.consumers[link.number].at_once


def _done(session: Session, link: Link, done: messages.Done) -> bool:
    known = _is_report(session, link, done) and _is_duration(done.busy)
    return known and all(_may_put(session, link, done, outputs) for outputs in done.outputs)


def _spool(session: Session, link: Link, spool: messages.Spool) -> bool:
    """Return whether a consumer may spool these outputs, should it hold the item."""
    if not spool.blocks or not all(map(_is_block, spool.blocks)):
        return False
    made_of = [IdRange(spool.item_id, spool.item_id)]
    count = session.transitions.spools.count_of(link.number, spool.item_id, spool.queue_id)
    if not all(block.bare for block in spool.blocks):
        return False
    few = count + sum(block.count for block in spool.blocks) <= OUTPUTS_MAX
    queue_id = session.scheduler.consumers[link.number].queue_id
    targets = _named(session, queue_id, spool.queue_id)
    targets = targets if queue_id not in session.streaming else frozenset()
    return (
        few
        and bool(targets)
        and all(
            _takes(session, link, made_of, one) and not session.row(one).keyed for one in targets
        )
    )


def _stream(session: Session, link: Link, stream: messages.Stream) -> bool:
    """Return whether a consumer may put these outputs, should it hold the item."""
    if not stream.blocks or not all(map(_is_block, stream.blocks)):
        return False
    queue_id = session.scheduler.consumers[link.number].queue_id
    made_of = [IdRange(stream.item_id, stream.item_id)]
    begun = stream.first or session.streams.item_of(link.number) == stream.item_id
    targets = _named(session, queue_id, stream.queue_id)
    open_to_it = bool(targets) and all(
        _takes(session, link, made_of, one) and _have_keys(session, one, stream.blocks)
        for one in targets
    )
    return begun and open_to_it and queue_id in session.streaming


def _checkpoint(_: Session, __: Link, checkpoint: messages.Checkpoint) -> bool:
    single = checkpoint.value.count == 1 and _is_block(checkpoint.value)
    return single and 0 <= checkpoint.item_id <= NUMBER_MAX


def _last_checkpoint(_: Session, __: Link, asked: messages.LastCheckpoint) -> bool:
    return 0 <= asked.item_id <= NUMBER_MAX


def _printed(session: Session, _: Link, printed: messages.Printed) -> bool:
    """Return whether these may be lines of items that were put."""
    return len(printed.lines) <= LINES_TOLD_MAX and all(
        stream in {1, 2} and len(text) <= LINE_CHARS_MAX and _was_put(session, item_id)
        for item_id, stream, text in printed.lines
    )


def _timed(session: Session, link: Link, timed: messages.Timed) -> bool:
    """Return whether these may be times of a consumer's items."""
    queue_id = session.scheduler.consumers[link.number].queue_id
    counts = all(0 <= bucket <= len(BOUNDS) for bucket in timed.counts) and all(
        0 < count <= COUNT_MAX for count in timed.counts.values()
    )
    times = _is_duration(timed.worked) and _is_duration(timed.waited)
    few = len(timed.slow) <= SLOW_TOLD_MAX and 0 <= timed.rss <= NUMBER_MAX
    return (
        counts
        and times
        and few
        and all(
            _is_duration(seconds) and queue_of(item_id) == queue_id and _was_put(session, item_id)
            for item_id, seconds in timed.slow
        )
    )


def _was_put(session: Session, item_id: int) -> bool:
    queue_id = queue_of(item_id)
    if not 0 <= item_id <= NUMBER_MAX or queue_id not in session.scheduler.lanes:
        return False
    return item_id_of(queue_id, 0) < item_id <= item_id_of(queue_id, session.row(queue_id).put)


def _named(session: Session, made_in: int, queue_id: int) -> frozenset[int]:
    """Return which queues are meant by one, 0 being all that a stage feeds; none if it may not."""
    if not queue_id:
        return session.feeds[made_in]
    return session.targets[made_in] & {queue_id}


def _failed(session: Session, link: Link, failed: messages.Failed) -> bool:
    soon = failed.retry_after is None or _is_duration(failed.retry_after)
    return soon and _is_report(session, link, failed)


def _deferred(session: Session, link: Link, deferred: messages.Deferred) -> bool:
    soon = deferred.seconds is None or _is_duration(deferred.seconds)
    return soon and _is_report(session, link, deferred)


def _rest(_: Session, __: Link, rest: messages.Rest) -> bool:
    soon = rest.seconds is None or _is_duration(rest.seconds)
    return soon and len(rest.reason) <= REASON_MAX


def _is_report(
    _: Session,
    __: Link,
    report: messages.Done
    | messages.Failed
    | messages.Deferred
    | messages.Apart
    | messages.Dropped
    | messages.GiveBack,
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
    single = replace.block.count == 1 and replace.block.bare
    return known and single and _is_block(replace.block)


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
    fed = queue_id in session.targets[source] and source not in session.streaming
    keyed = fed and _have_keys(session, queue_id, outputs.blocks)
    return keyed and _takes(session, link, done.ids, queue_id)


def _takes(session: Session, link: Link, made_of: Sequence[IdRange], queue_id: int) -> bool:
    """Return whether a queue is open for what this consumer makes of items, if they are its."""
    sealed = session.scheduler.lanes[queue_id].row.sealed_total is not None
    return not (sealed and session.scheduler.consumers[link.number].hands.holds(made_of))


def _is_block(block: Block) -> bool:
    """Return whether there may be so many items in so many bytes; nobody looks into them here."""
    count, codec, data, crc, digests, rank, due = block
    if digests is not None and len(digests) != count * DIGEST_BYTES:
        return False
    if not (_is_rank(rank) and _is_moment(due)):
        return False
    array = 1 < count <= ITEMS_MAX and count <= len(data) <= ARRAY_BYTES_MAX
    return (array or count == 1) and codec in CODECS and 0 <= crc <= CRC_MAX


def _is_rank(rank: int | None) -> bool:
    return rank is None or -UNRANKED <= rank < UNRANKED


def _is_moment(milliseconds: int | None) -> bool:
    return milliseconds is None or 0 <= milliseconds <= NUMBER_MAX


def _have_keys(session: Session, queue_id: int, blocks: Iterable[Block]) -> bool:
    """Return whether items have natural keys exactly if those of their queue have."""
    keyed = session.row(queue_id).keyed
    return all((block.digests is not None) is keyed for block in blocks)


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
    messages.Take: (_CONSUMER, _take),
    messages.Done: (_CONSUMER, _done),
    messages.Spool: (_CONSUMER, _spool),
    messages.Stream: (_CONSUMER, _stream),
    messages.Checkpoint: (_CONSUMER, _checkpoint),
    messages.LastCheckpoint: (_CONSUMER, _last_checkpoint),
    messages.Printed: (_ANCHOR, _printed),
    messages.Timed: (_CONSUMER, _timed),
    messages.Failed: (_CONSUMER, _failed),
    messages.Deferred: (_CONSUMER, _deferred),
    messages.Apart: (_CONSUMER, _is_report),
    messages.Dropped: (_CONSUMER, _is_report),
    messages.GiveBack: (_CONSUMER, _is_report),
    messages.Rest: (_CONSUMER, _rest),
    messages.Flush: (_CONSUMER | _CONTROL, None),
    messages.Seal: (_CONTROL, _seal),
    messages.Fail: (_CONTROL, _fail),
    messages.Halt: (_CONTROL, None),
    messages.Join: (_CONTROL, _of_queue),
    messages.Sizes: (_CONTROL, None),
    messages.SourcePuts: (_CONTROL, None),
    messages.Poll: (_CONTROL, _poll),
    messages.Wake: (_CONTROL, None),
    messages.Drain: (_CONTROL, None),
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
