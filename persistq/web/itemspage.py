"""The page of a load's items, and the one of a single item."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from persistq.cli.pointing import names_in, stages_chosen
from persistq.cli.show import card_of, error_in_words
from persistq.itemnames import item_name
from persistq.items import queue_of
from persistq.journal.reader import ItemState
from persistq.text.masking import masked_text
from persistq.text.payloads import JSON, in_brief, shown
from persistq.web.overview import CRUMB
from persistq.web.page import Crumb, Page, number_in, path_to
from persistq.web.rendering import TEXT_MAX, rendered
from persistq.web.searching import Found, item_meant, items_in_state

if TYPE_CHECKING:
    from persistq.cli.pointing import Names
    from persistq.cli.show import Card
    from persistq.journal.queuerow import QueueRow
    from persistq.journal.reader import JournaledItem, JournalReader
    from persistq.journal.view import JournalView
    from persistq.web.journals import Journals
    from persistq.web.page import Query

SHOWN_MOST: Final = 64 << 10
"""Bytes of the largest item that is shown whole, and can be edited, on a page."""

_ITEM_WIDTH: Final = 160
_STREAMS: Final = {1: "stdout", 2: "stderr"}


def items_page(journals: Journals, name: str, query: Query) -> Page:
    """Return the page of the items of a load.

    Args:
        journals: All journals.
        name: The journal.
        query: ``load``; ``q``, an item's name, number or key; ``stage``; ``state``; ``after``, the
            id behind which to begin.

    Raises:
        UsageError: There is no such load or stage.
        JournalError: The journal cannot be read.
    """
    load, state = number_in(query, "load"), _state_in(query)
    with journals.reader(name) as reader:
        view = reader.view(load)
        queue = _stage_in(view, query)
        found = Found([], None)
        if queue is not None:
            found = items_in_state(reader, queue, state, number_in(query, "after") or 0)
        names = names_in(reader, view)
        values = _list_values(view, names, query, found, queue)
    body = rendered("items.html", values)
    crumbs = (CRUMB, Crumb(name, path_to(name, load=load)), Crumb("items"))
    return Page(f"{name}: items", crumbs, body, {})


def item_sought(journals: Journals, name: str, query: Query) -> str | None:
    """Return the path of the item that was typed in the field for one, if one was.

    Raises:
        UsageError: It is none.
        JournalError: The journal cannot be read.
    """
    typed = query.get("q", "").strip()
    if not typed:
        return None
    with journals.reader(name) as reader:
        card = card_of(reader, item_meant(reader, typed), number_in(query, "load"))
    return path_to(name, "items", card.names.full(card.point.item_id))


def item_page(journals: Journals, name: str, typed: str, query: Query, order_token: str) -> Page:
    """Return the page of one item.

    Args:
        journals: All journals.
        name: The journal.
        typed: The item's name, or its number in the journal.
        query: ``load``, the load that is meant if the name does not say it.
        order_token: What orders from this page have to show.

    Raises:
        UsageError: There is no such item.
        JournalError: The journal cannot be read.
    """
    with journals.reader(name) as reader:
        card = card_of(reader, typed, number_in(query, "load"))
        values = _item_values(reader, card) | {"order_token": order_token}
    parts = {"item": rendered("item.html", values)}
    crumbs = (
        CRUMB,
        Crumb(name, path_to(name)),
        Crumb("items", path_to(name, "items", stage=card.point.queue.name)),
        Crumb(values["item"]),
    )
    return Page(f"{name}: {values['item']}", crumbs, parts["item"], parts)


def _state_in(query: Query) -> ItemState | None:
    text = query.get("state", "")
    return ItemState(text) if text in [*ItemState] else None


def _stage_in(view: JournalView, query: Query) -> QueueRow | None:
    chosen = stages_chosen(view, query.get("stage") or None)
    return chosen[0] if chosen else None


def _list_values(
    view: JournalView, names: Names, query: Query, found: Found, queue: QueueRow | None
) -> dict[str, Any]:
    load, state = number_in(query, "load"), _state_in(query)
    stage = queue.name if queue is not None else ""
    following = path_to(view.name, "items", load=load, stage=stage, state=state, after=found.behind)
    return {
        "action": path_to(view.name, "items"),
        "load": load,
        "stages": [row.name for row in view.queues],
        "stage": stage,
        "states": [one.value for one in ItemState],
        "state": state,
        "rows": [_row(view, names, one) for one in found.items],
        "next": following if found.behind is not None else None,
        "looked_at": found.looked_at,
    }


def _row(view: JournalView, names: Names, one: JournaledItem) -> dict[str, Any]:
    return {
        "name": names.of(one.item_id),
        "path": path_to(view.name, "items", names.full(one.item_id)),
        "state": one.state.value,
        "put": one.put.at if one.put is not None else None,
        "ended": one.ended.at if one.ended is not None else None,
        "item": in_brief(one.item.codec, one.item.payload, _ITEM_WIDTH),
    }


def _item_values(reader: JournalReader, card: Card) -> dict[str, Any]:
    point, found = card.point, card.point.found
    item_id, view, payload = point.item_id, point.view, payload_text(found)
    assert view.load is not None, "an item has a load"
    return {
        "name": view.name,
        "load": view.load,
        "item": card.names.of(item_id),
        "full": card.names.full(item_id),
        "key": card.keys.of(item_id),
        "bytes": len(found.item.payload),
        "state": found.state.value,
        "is_parked": found.state is ItemState.PARKED,
        "reason": masked_text(found.reason),
        "put": found.put,
        "ended": found.ended,
        "due": found.due,
        "origin": _origin(reader, view, found),
        "payload": payload,
        "can_edit": _can_edit(found, payload),
        "attempts": [
            {"it": it, "error": error_in_words(it.failure), "trace": it.failure.traceback}
            for it in card.attempts[::-1]
        ],
        "printed": [(_STREAMS.get(it.stream, "?"), it.text) for it in card.printed],
        "by_hand": [
            {"it": it, "put": card.names.of(it.replacement) if it.replacement else ""}
            for it in reader.by_hand(item_id)
        ],
    }


def payload_text(found: JournaledItem) -> str:
    """Return an item as a page shows it, with secrets masked."""
    item = found.item
    seen = shown(item.codec, item.payload) if len(item.payload) <= SHOWN_MOST else None
    if seen is None or seen.pickle or seen.damaged:
        return in_brief(item.codec, item.payload)
    return _visible(json.dumps(seen.value, ensure_ascii=False, indent=2))


def _visible(text: str) -> str:
    """Return a JSON text that says the same, in which every character can be seen and typed."""
    return "".join(
        char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text
    )


def _can_edit(found: JournaledItem, text: str) -> bool:
    item = found.item
    return item.codec == JSON and len(item.payload) <= SHOWN_MOST and len(text) <= TEXT_MAX


def _origin(
    reader: JournalReader, view: JournalView, found: JournaledItem
) -> tuple[str, str] | None:
    """Return what the item that this one was made of is called, and its path."""
    if found.origin is None:
        return None
    for queue in reader.queues():
        if queue.queue_id == queue_of(found.origin):
            name = item_name(queue.name, found.origin, queue.load_id)
            return name, path_to(view.name, "items", name)
    return None
