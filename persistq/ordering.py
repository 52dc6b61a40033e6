"""The order of a stage: which of the items that wait is handed out next.

What tells the order is code of the user's, so it is asked where an item is put. The answer, a rank,
is stored with the item: a load that is carried on has the order in which it was put.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from persistq.errors import OrderNotUsable
from persistq.text.terminal import shown

if TYPE_CHECKING:
    from persistq.client.outputs import Encoded, Encoder

CLASS_MAX: Final = 9
"""Priorities go from 0 to this one, which is first."""

_CLASS_BITS: Final = 60
_LAST_RANK: Final = (1 << 63) - 2
_SIGN: Final = 1 << 63
_ALL_BITS: Final = (1 << 64) - 1

Said = Callable[[Any], Any] | str
"""What tells something of an item: a function, or the name of a field or attribute."""


@dataclass(frozen=True, slots=True)
class Ordering:
    """In which order the items of a stage are handed out.

    Attributes:
        stage: The stage.
        priority: Tells the class of an item, 0 to `CLASS_MAX`; None puts all of them into one.
        order: Tells a number; in each class the items with the largest come first. None leaves them
            in the order in which they were put.
        item: Makes an item of what is put, where that may be something plainer.
    """

    stage: str
    priority: Said | None = None
    order: Said | None = None
    item: Callable[[Any], Any] | None = None

    def rank(self, item: Any) -> int:
        """Return the place of an item: the smallest is first.

        Raises:
            OrderNotUsable: The item has no such field, the function has raised, or what it has
                returned is no class, or no number.
        """
        if self.item is not None:
            item = self.item(item)
        priority = 0 if self.priority is None else self._class_of(item, self.priority)
        order = 0.0 if self.order is None else self._number_of(item, self.order)
        return _LAST_RANK - (priority << _CLASS_BITS | _sortable(order) >> (64 - _CLASS_BITS))

    def _class_of(self, item: Any, said: Said) -> int:
        found = self._told("priority", item, said)
        if not isinstance(found, int) or not 0 <= found <= CLASS_MAX:
            reason = f"it is {shown(found)}, and should be a whole number from 0 to {CLASS_MAX}"
            raise OrderNotUsable(self.stage, "priority", shown(item), reason)
        return int(found)

    def _number_of(self, item: Any, said: Said) -> float:
        found = self._told("order", item, said)
        number = _number(found)
        if math.isnan(number):
            reason = f"it is {shown(found)}, and should be a number"
            raise OrderNotUsable(self.stage, "order", shown(item), reason)
        return number

    def _told(self, option: str, item: Any, said: Said) -> Any:
        try:
            if not isinstance(said, str):
                return said(item)
            return item[said] if isinstance(item, Mapping) else getattr(item, said)
        except Exception as error:  # the function is the user's
            reason = f"{type(error).__qualname__}: {error}"
            raise OrderNotUsable(self.stage, option, shown(item), reason) from error


@dataclass(frozen=True, slots=True)
class OrderedCodec:
    """Encodes items together with their ranks.

    Args:
        codec: Encodes the items.
        ordering: Tells the rank of each.
    """

    codec: Encoder
    ordering: Ordering

    def encode(self, value: Any) -> Encoded:
        """Return an item encoded, with the digest of its natural key if it has one, and its rank.

        Raises:
            ItemNotStorable: It cannot be encoded.
            KeyNotUsable: It has no key.
            OrderNotUsable: It has no rank.
        """
        encoded = self.codec.encode(value)
        digest = encoded[2] if len(encoded) > 2 else None
        return encoded[0], encoded[1], digest, self.ordering.rank(value), None


def _number(found: Any) -> float:
    """Return what an order goes by; not a number if it is none."""
    if not isinstance(found, int | float | Decimal | Fraction):
        return math.nan
    try:
        return float(found)
    except OverflowError:
        return math.inf if found > 0 else -math.inf


def _sortable(number: float) -> int:
    """Return a number's 64 bits so that larger numbers have larger ones, and 0.0 equals -0.0."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", number or 0.0))
    return int(bits ^ (_ALL_BITS if bits & _SIGN else _SIGN))
