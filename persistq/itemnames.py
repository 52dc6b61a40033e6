"""Names of items that people say and type: ``clean:6`` is the sixth item of the stage ``clean``.

``clean:6@3`` is that of load 3; a name without a load is of the load that is meant anyway. A stage
may be called anything, with colons too, so the last colon of a name is the one that counts. What
cannot be typed or shown as it is, such as a line's end, is escaped in a name. The number by which
the journal knows an item, unique in it, is understood as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from persistq.errors import UsageError
from persistq.items import ITEMS_PER_QUEUE_MAX, QUEUE_SHIFT, number_of
from persistq.text.suggestions import nearest
from persistq.text.terminal import printable

ITEM_ID_MAX: Final = (1 << 63) - 1

_NAME: Final = r"(?s)(?P<stage>.*):(?P<number>[^:@]*)(?:@(?P<load>[^:@]*))?"
_DIGITS: Final = r"[0-9]+"
_NAMES_SHOWN: Final = 10


class ItemName(NamedTuple):
    """An item as people call it.

    Attributes:
        stage: The name of its stage, as it is shown.
        number: Its number there, from 1.
        load_id: Its load; None for the one that is meant anyway.
    """

    stage: str
    number: int
    load_id: int | None = None

    def __str__(self) -> str:
        """Return it as it is shown and typed."""
        load = "" if self.load_id is None else f"@{self.load_id}"
        return f"{self.stage}:{self.number}{load}"


def item_name(stage: str, item_id: int, load_id: int | None = None) -> str:
    """Return what an item is called.

    Args:
        stage: The name of its stage.
        item_id: Its number in the journal.
        load_id: Its load, where that has to be said.
    """
    return str(ItemName(printable(stage), number_of(item_id), load_id))


def parse_item_name(text: str) -> ItemName | int:
    """Understand what was typed: a name, or an item's number in the journal.

    Raises:
        UsageError: It is neither.
    """
    if re.fullmatch(_DIGITS, text):
        return _item_id(text)
    found = re.fullmatch(_NAME, text)
    if found is None or not found["stage"]:
        raise UsageError(
            f"{text!r} names no item: give its stage and its number there, as in clean:6"
        )
    number = _counted(found["number"], ITEMS_PER_QUEUE_MAX)
    if number is None:
        raise UsageError(
            f"{text!r} names no item: behind the last colon stands the item's number, from 1, "
            f"as in {found['stage']}:6"
        )
    if found["load"] is None:
        return ItemName(found["stage"], number)
    load_id = _counted(found["load"], ITEM_ID_MAX)
    if load_id is None:
        raise UsageError(
            f"{text!r} names no item: behind the @ stands the number of a load, from 1, "
            f"as in {found['stage']}:{number}@3"
        )
    return ItemName(found["stage"], number, load_id)


def _item_id(text: str) -> int:
    item_id = int(text) if len(text) < len(str(ITEM_ID_MAX)) + 1 else 0
    if not 1 << QUEUE_SHIFT < item_id <= ITEM_ID_MAX or not number_of(item_id):
        raise UsageError(f"{text} alone names no item: give its stage too, as in clean:{text[:20]}")
    return item_id


def _counted(text: str, most: int) -> int | None:
    """Return a number from 1; None if the text is none, or too large a one."""
    if not re.fullmatch(_DIGITS, text) or len(text) > len(str(most)):
        return None
    return int(text) if 1 <= int(text) <= most else None


def stage_called(typed: str, stages: Iterable[str], what: str) -> str:
    """Return the stage that was typed, as it is or as it is shown.

    Args:
        typed: What was typed.
        stages: The names of the stages there are.
        what: What has these stages, for the message.

    Raises:
        UsageError: There is none; the sentence names the nearest one, and all of them.
    """
    shown = {printable(stage): stage for stage in stages}
    if typed in shown.values():
        return typed
    if typed in shown:
        return shown[typed]
    names = list(shown)
    near = nearest(typed, names)
    hint = f"did you mean {near}? " if near and len(names) > 1 else ""
    more = ", ..." if len(names) > _NAMES_SHOWN else ""
    there = ", ".join(names[:_NAMES_SHOWN]) or "none"
    raise UsageError(f"{what} has no stage {typed!r}; {hint}its stages are: {there}{more}")
