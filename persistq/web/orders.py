"""Orders from a page: what the verbs ``retry``, ``drop`` and ``edit`` do, by the same functions."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec

from persistq.cli.amending import Choice, chosen
from persistq.cli.deeds import NOTHING_FITS, Asked, dropped, edited, replaced, retried
from persistq.cli.edit import block_with, value_of
from persistq.cli.fitting import fitting_of
from persistq.cli.pointing import names_in
from persistq.errors import UsageError
from persistq.text.masking import MASK
from persistq.text.payloads import shown
from persistq.web.failures import failed_items, kind_in
from persistq.web.page import number_in

if TYPE_CHECKING:
    from persistq.blocks import Block
    from persistq.items import Item
    from persistq.journal.reader import JournalReader
    from persistq.web.journals import Journals
    from persistq.web.page import Query

REASON_MAX = 1_000
"""Characters of the longest reason."""


def retry(journals: Journals, name: str, form: Query) -> str:
    """Put failed items back to work; return what has happened, in a sentence.

    Args:
        journals: All journals.
        name: The journal.
        form: Which items: ``item``, or a kind (``stage``, ``pattern``), or ``everything``; and
            ``load``.

    Crash: as for `persistq.cli.deeds.retried`.

    Raises:
        UsageError: Nothing says which, or they cannot be changed.
        JournalError: The journal cannot be opened or written.
    """
    with journals.reader(name) as reader:
        choice = _chosen(reader, form)
        if not choice.item_ids:
            return NOTHING_FITS
        return retried(reader, choice, choice.item_ids, _asked(journals, reader, choice)).sentence


def drop(journals: Journals, name: str, form: Query) -> str:
    """Have failed items need no work; return what has happened, in a sentence.

    Args:
        journals: All journals.
        name: The journal.
        form: As for `retry`; and ``reason``.

    Crash: as for `persistq.cli.deeds.dropped`.

    Raises:
        UsageError: Nothing says which, or they cannot be changed.
        JournalError: The journal cannot be opened or written.
    """
    with journals.reader(name) as reader:
        choice = _chosen(reader, form)
    return dropped(choice, _reason(form)).sentence if choice.item_ids else NOTHING_FITS


def edit(journals: Journals, name: str, form: Query) -> str:
    """Put a changed item for a failed one; return what has happened, in a sentence.

    Args:
        journals: All journals.
        name: The journal.
        form: ``item``, its ``text`` as it is to be, ``reason`` and ``load``.

    Crash: as for `persistq.cli.deeds.replaced`.

    Raises:
        UsageError: It is no JSON, does not fit, or cannot be changed.
        JournalError: The journal cannot be opened or written.
    """
    typed, said = form.get("item", ""), list[str]()
    with journals.reader(name) as reader:
        choice = _chosen(reader, {"item": typed, "load": form.get("load", "")})
        [item_id] = choice.item_ids
        before = next(reader.items(item_id, item_id)).item
        fit = fitting_of(choice, journals.directory, None)
        block = _block(before, typed, form.get("text", ""))
        if block.data == block_with(value_of(before, typed)).data:
            return "nothing is changed"
        block = dataclasses.replace(fit, tell=said.append)(block)
        made = replaced(choice, block, _reason(form))
        deed = edited(reader, choice, made, _asked(journals, reader, choice))
    return "; ".join([deed.sentence, *said])


def _chosen(reader: JournalReader, form: Query) -> Choice:
    load, kind = number_in(form, "load"), kind_in(form)
    if form.get("item"):
        items = [form["item"]]
        return chosen(reader, items, stage=None, error=None, everything=False, load=load)
    if kind.stage is None and kind.pattern is None and not form.get("everything"):
        raise UsageError("nothing says which items are meant, and nothing was changed")
    view = reader.view(load)
    found = [parked.item_id for parked in failed_items(reader, view, kind)]
    return Choice(view, names_in(reader, view), found)


def _asked(journals: Journals, reader: JournalReader, choice: Choice) -> Asked:
    """Return how one would have asked on a terminal: a form always names its load."""
    current = reader.view().load
    is_current = current is not None and current.load_id == choice.load_id
    return Asked(journals.typed, named=not is_current)


def _reason(form: Query) -> str:
    return form.get("reason", "").strip()[:REASON_MAX]


def _block(before: Item, typed: str, text: str) -> Block:
    """Return an item as it was typed, with what was masked as it is in the one before."""
    try:
        wished = msgspec.json.decode(text.encode())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"nothing was changed, this is no JSON: {error}") from None
    seen = shown(before.codec, before.payload)
    if seen.masked:
        wished = unmasked(wished, seen.value, value_of(before, typed))
        if _has_mask(wished):
            raise UsageError(
                f"nothing was changed: {MASK} stands for a secret in its own place only; type "
                "what is to be there"
            )
    return block_with(wished)


def unmasked(wished: Any, masked: Any, before: Any) -> Any:
    """Return a value as somebody has typed it who was shown another one with secrets masked.

    Args:
        wished: What was typed.
        masked: What was shown.
        before: The same without masks: what stays as it was shown is as it was.
    """
    if wished == masked:
        return before
    if isinstance(wished, dict) and isinstance(masked, dict):
        return {
            key: unmasked(value, masked[key], before[key]) if key in masked else value
            for key, value in wished.items()
        }
    if isinstance(wished, list) and isinstance(masked, list) and len(wished) == len(masked):
        return [unmasked(*three) for three in zip(wished, masked, before, strict=True)]
    return wished


def _has_mask(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_mask, value.values()))
    if isinstance(value, list):
        return any(map(_has_mask, value))
    return isinstance(value, str) and (value == MASK or f":{MASK}@" in value)
