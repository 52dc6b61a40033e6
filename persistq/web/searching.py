"""Looking for items: by name, number or key, or page by page in one state."""

from __future__ import annotations

import re
import time
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from persistq.errors import UsageError
from persistq.items import item_id_of
from persistq.journal.reader import ItemState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persistq.journal.queuerow import QueueRow
    from persistq.journal.reader import JournaledItem, JournalReader

LISTED: Final = 50
"""Items on one page."""

LOOKED_AT: Final = 20_000
"""So many items are looked at for one page, at most, if few of them are in the state."""

_LOOKED_FOR_S: Final = 0.5

_KEY: Final = r"(?P<run>[0-9a-f]{32})-(?P<id>[0-9]+)"


class Found(NamedTuple):
    """A page of items.

    Attributes:
        items: The items.
        behind: The id behind which the next page begins; None at the end.
        looked_at: How many items were looked at in vain, if that was why the page ended.
    """

    items: list[JournaledItem]
    behind: int | None
    looked_at: int = 0


def item_meant(reader: JournalReader, typed: str) -> str:
    """Return what an item is called that was typed in any way, to be looked up.

    Args:
        reader: The journal.
        typed: A name, the number in the journal, or a key.

    Raises:
        UsageError: It is a key, and of no item here.
    """
    typed = typed.strip()
    key = re.fullmatch(_KEY, typed)
    if key is None:
        return typed
    item_id = int(key["id"])
    if not any(_has_key(reader, queue, item_id, typed) for queue in reader.queues()):
        raise UsageError(f"no item of this journal has the key {typed}")
    return key["id"]


def items_in_state(
    reader: JournalReader, queue: QueueRow, state: ItemState | None, after_id: int
) -> Found:
    """Return the next items of a stage.

    Args:
        reader: The journal.
        queue: The stage.
        state: Where they are; None for anywhere.
        after_id: The id behind which to begin.
    """
    last_id = item_id_of(queue.queue_id, queue.put)
    after_id = min(max(after_id, item_id_of(queue.queue_id, 0)), last_id)
    if state in {ItemState.OUTSTANDING, ItemState.PARKED}:
        ids = [*islice(_ids(reader, queue, state, after_id), LISTED + 1)]
        items = [one for item_id in ids[:LISTED] for one in reader.items(item_id, item_id)]
        return Found(items, ids[LISTED - 1] if len(ids) > LISTED else None)
    return _walked(reader, state, after_id, last_id)


def _ids(reader: JournalReader, queue: QueueRow, state: ItemState, after_id: int) -> Iterator[int]:
    if state is ItemState.PARKED:
        yield from (it.item_id for it in reader.parked_errors(queue.queue_id, after_id=after_id))
    else:
        found = reader.outstanding(queue.queue_id, LISTED + 1, after_id=after_id)
        yield from (it.item_id for it in found)


def _walked(reader: JournalReader, state: ItemState | None, after_id: int, last_id: int) -> Found:
    """Look at one item after the other, and not for long."""
    items: list[JournaledItem] = []
    deadline, position, count = time.monotonic() + _LOOKED_FOR_S, after_id, 0
    for count, one in enumerate(reader.items(after_id + 1, last_id), 1):
        if len(items) == LISTED:
            return Found(items, position)
        position = one.item_id
        if state is None or one.state is state:
            items.append(one)
        if count >= LOOKED_AT or time.monotonic() > deadline:
            return Found(items, position, count)
    return Found(items, None)


def _has_key(reader: JournalReader, queue: QueueRow, item_id: int, key: str) -> bool:
    first, last = item_id_of(queue.queue_id, 1), item_id_of(queue.queue_id, queue.put)
    return first <= item_id <= last and reader.keys(queue.queue_id).of(item_id) == key
