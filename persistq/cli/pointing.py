"""Which items and stages of a journal are meant, and what they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from persistq.errors import UsageError
from persistq.itemnames import ItemName, item_name, parse_item_name, stage_called
from persistq.items import item_id_of, number_of, queue_of
from persistq.text.payloads import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from persistq.items import Item
    from persistq.journal.queuerow import QueueRow
    from persistq.journal.reader import JournaledItem, JournalReader
    from persistq.journal.view import JournalView
    from persistq.keys import ItemKeys


class Pointed(NamedTuple):
    """An item that was pointed at.

    Attributes:
        view: Its load.
        queue: Its stage.
        found: The item, and where it is.
    """

    view: JournalView
    queue: QueueRow
    found: JournaledItem

    @property
    def item_id(self) -> int:
        """Its number in the journal."""
        return self.found.item_id


class Names:
    """Makes the names of a journal's items.

    Args:
        queues: Stages, of whichever loads.
        current: The load that commands show by themselves; the items of all others say theirs.
    """

    def __init__(self, queues: Iterable[QueueRow], current: int | None) -> None:
        self._queues = {queue.queue_id: queue for queue in queues}
        self._current = current

    def of(self, item_id: int) -> str:
        """Return what an item is called, such as ``clean:6`` or ``clean:6@3``."""
        queue = self._queues[queue_of(item_id)]
        load = None if queue.load_id == self._current else queue.load_id
        return item_name(queue.name, item_id, load)

    def full(self, item_id: int) -> str:
        """Return what an item is called in any load, such as ``clean:6@3``."""
        queue = self._queues[queue_of(item_id)]
        return item_name(queue.name, item_id, queue.load_id)

    def stage(self, item_id: int) -> str:
        """Return the stage of an item."""
        return self._queues[queue_of(item_id)].name


def names_in(reader: JournalReader, view: JournalView) -> Names:
    """Return the names of the items of a load that is shown."""
    current = reader.view().load
    return Names(view.queues, current.load_id if current is not None else None)


def stages_chosen(view: JournalView, stage: str | None) -> list[QueueRow]:
    """Return the stages of a load, or the one that was typed.

    Raises:
        UsageError: There is no such stage.
    """
    if stage is None:
        return list(view.queues)
    name = stage_called(stage, [queue.name for queue in view.queues], load_in_words(view))
    return [queue for queue in view.queues if queue.name == name]


def load_in_words(view: JournalView) -> str:
    """Return which load this is, such as ``load 3 of 'sales'``."""
    return repr(view.name) if view.load is None else f"load {view.load.load_id} of {view.name!r}"


def pointed(reader: JournalReader, typed: str, load: int | None = None) -> Pointed:
    """Return the item that was typed.

    Args:
        reader: The journal.
        typed: A name, or the item's number in the journal.
        load: The load that was given beside it.

    Raises:
        UsageError: It is no name, or there is no such load, stage or item.
    """
    name = parse_item_name(typed)
    view, queue, number = (
        _by_name(reader, name, load) if isinstance(name, ItemName) else _by_id(reader, name)
    )
    item_id = item_id_of(queue.queue_id, number)
    found = next(reader.items(item_id, item_id), None)
    if found is None:
        there = f"its items are numbered from 1 to {queue.put:,}" if queue.put else "it has none"
        if view.load is not None and number <= queue.put:
            there = "what it was is not kept any more"
        raise UsageError(
            f"stage {queue.name} of {load_in_words(view)} has no item {number}; {there}"
        )
    return Pointed(view, queue, found)


def _by_name(
    reader: JournalReader, name: ItemName, load: int | None
) -> tuple[JournalView, QueueRow, int]:
    if load is not None and name.load_id not in {None, load}:
        raise UsageError(f"{name} is an item of load {name.load_id}, and --load says {load}")
    view = reader.view(name.load_id or load)
    return view, stages_chosen(view, name.stage)[0], name.number


def _by_id(reader: JournalReader, item_id: int) -> tuple[JournalView, QueueRow, int]:
    for queue in reader.queues():
        if queue.queue_id == queue_of(item_id):
            return reader.view(queue.load_id), queue, number_of(item_id)
    view = reader.view()
    raise UsageError(
        f"the journal of {view.name!r} has no item {item_id}: give its stage and its number there, "
        "as in clean:6"
    )


def item_object(item: Item, names: Names, keys: ItemKeys) -> dict[str, Any]:
    """Return an item for programs."""
    seen = shown(item.codec, item.payload)
    return {
        "name": names.full(item.item_id),
        "id": item.item_id,
        "key": keys.of(item.item_id),
        "stage": names.stage(item.item_id),
        "item": seen.value,
        "pickle": seen.pickle,
        "masked": seen.masked,
        "damaged": seen.damaged,
        "bytes": len(item.payload),
    }
