"""What becomes of orders about parked items, and the sentence that tells of it.

The verbs say it on a terminal, and the page of ``persistq serve`` says it there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from persistq.cli.amending import carried_out
from persistq.cli.plan import counted, who_takes
from persistq.errors import UsageError
from persistq.items import ranges_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistq.blocks import Block
    from persistq.cli.amending import Choice
    from persistq.journal.reader import JournalReader

NOTHING_FITS = "nothing is parked as failed that fits"


class Deed(NamedTuple):
    """What an order has come to.

    Attributes:
        changed: How many items that are.
        sentence: That in words.
    """

    changed: int
    sentence: str


class Asked(NamedTuple):
    """How the journal was asked for, which is repeated in what to type next.

    Attributes:
        journal: The directory as it was typed, or None.
        named: Whether the load was asked for by its number.
    """

    journal: str | None
    named: bool


def retried(reader: JournalReader, choice: Choice, item_ids: Sequence[int], asked: Asked) -> Deed:
    """Put parked items of a choice back to work.

    Crash: before the transaction of the order nothing is changed, after it everything is.

    Raises:
        UsageError: A run works on another load.
        JournalError: The journal cannot be opened or written.
    """
    count = carried_out(choice, lambda hand: hand.retry(ranges_of(item_ids)))
    if not count:
        return Deed(0, "nothing of this is parked any more, and nothing was changed")
    takes = who_takes(reader, choice, count, asked.journal, named=asked.named)
    return Deed(count, f"{counted(count)} {_are(count)} outstanding again; {takes}")


def dropped(choice: Choice, reason: str) -> Deed:
    """Have the parked items of a choice need no work.

    Crash: as for `retried`.

    Raises:
        UsageError: The same.
        JournalError: The same.
    """
    count = carried_out(choice, lambda hand: hand.discard(ranges_of(choice.item_ids), reason))
    return Deed(count, f"{counted(count)} {_are(count)} dropped")


def replaced(choice: Choice, block: Block, reason: str) -> int:
    """Put an item for the one of a choice, which is dropped; return its number.

    Crash: as for `retried`.

    Raises:
        UsageError: It is not parked any more; or a run works on another load.
        JournalError: The journal cannot be opened or written.
    """
    [item_id] = choice.item_ids
    made = carried_out(choice, lambda hand: hand.replace(item_id, block, reason))
    if not made:
        raise UsageError(
            f"{choice.names.of(item_id)} is not parked any more, and nothing was changed"
        )
    return made


def edited(reader: JournalReader, choice: Choice, made: int, asked: Asked) -> Deed:
    """Return what it means that an item was put for another one.

    Args:
        reader: The journal.
        choice: The item that was dropped for it.
        made: The new item.
        asked: How the journal was asked for.
    """
    [item_id] = choice.item_ids
    takes = who_takes(reader, choice, 1, asked.journal, named=asked.named)
    names = choice.names
    return Deed(1, f"{names.of(made)} is put for {names.of(item_id)}, which is dropped; {takes}")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
