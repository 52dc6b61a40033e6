"""What a source yields is put: one by one, or many at a time where all of it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from persistq.errors import (
    BrokerLost,
    ItemNotStorable,
    ItemNotValid,
    JournalError,
    QueueClosed,
    RunEnded,
)
from persistq.put import Put

if TYPE_CHECKING:
    from persistq.client.connection import Connection
    from persistq.client.producer import Producer
    from persistq.codec import ItemCodec
    from persistq.pipeline.sourcetask import SourceTask

_AT_HAND: Final = frozenset({list, tuple, range})
"""What a source may return whose items need not be waited for, and raise nothing."""


def put_all(
    task: SourceTask,
    producer: Producer,
    control: Connection,
    on_item: Callable[[], object] | None,
) -> bool:
    """Call a source, and put everything it yields.

    Crash: what was put is journaled; the rest of the source's items is asked for again.

    Args:
        task: The source.
        producer: Puts what it yields.
        control: Asks for room, if the source is asked again and again.
        on_item: Called after each item, by inline runs; anything but None ends the source.

    Returns:
        Whether it came to its end.
    """
    source = task.source
    if source.polling is not None:
        from persistq.pipeline.asking import Asking

        return Asking(task, source.polling, producer, control, on_item).run()
    found: Any = source.function(**task.called_with(producer.cursor))
    items = task.iterable(found)
    if task.sample is not None:
        items = islice(items, task.sample)
    elif on_item is None and task.is_plain and _are_at_hand(found):
        _put_blocks(found, task.codec, producer)
        return True
    return _put_each(task, items, producer, on_item)


def _are_at_hand(items: Any) -> bool:
    """Return whether a source has returned all its items at once, each of them nothing else."""
    return type(items) in _AT_HAND and not any(type(item) is Put for item in items)


def _put_blocks(items: Sequence[Any], codec: ItemCodec, producer: Producer) -> None:
    """Put items that are all at hand, which is quicker many at a time."""
    start = 0
    while start < len(items):
        stop = start + min(codec.fitting, producer.room())
        producer.put(codec.encode_many(items[start:stop]))
        start = stop
    producer.flush()


def _put_each(
    task: SourceTask,
    items: Iterable[Any],
    producer: Producer,
    on_item: Callable[[], object] | None,
) -> bool:
    """Put what a source yields until it ends; False if `on_item` ended it."""
    encode = task.encoder
    try:
        for item in items:
            try:
                encoded = encode(item)
            except (ItemNotStorable, ItemNotValid):
                # Most sources never yield a `Put`, and are not asked whether this is one.
                if type(item) is not Put:
                    raise
                encode = task.encode
                encoded = encode(item)
            producer.put_one(*encoded)
            if on_item is not None:
                producer.flush()
                if on_item() is not None:
                    return False
    except (BrokerLost, JournalError, RunEnded, QueueClosed, KeyboardInterrupt):
        # The connection may be what failed, or was interrupted: there is nothing to finish on it.
        raise
    except BaseException:
        # What was yielded before an error is kept: the other side may not give it out twice.
        producer.flush()
        raise
    producer.flush()
    return True
