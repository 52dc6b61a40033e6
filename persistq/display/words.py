"""Times, rates and numbers as a display says them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from persistq.display.forecast import Left

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


def clock(seconds: float) -> str:
    """Return a time that goes on, such as ``2:14`` or ``1:02:14``."""
    whole = max(0, int(seconds))
    minutes, rest = f"{whole // 60 % 60}", f"{whole % 60:02}"
    if whole < _HOUR:
        return f"{minutes}:{rest}"
    return f"{whole // _HOUR}:{minutes:0>2}:{rest}"


def length(seconds: float) -> str:
    """Return a length of time in one unit, or two if it is long: ``12 s``, ``1 h 20 min``."""
    whole = math.ceil(seconds)
    if whole < 2 * _MINUTE:
        return f"{whole} s"
    minutes = math.ceil(whole / _MINUTE)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{math.ceil(hours / 24)} d"


def time_taken(seconds: float) -> str:
    """Return for how long something goes on: never more than it does."""
    return f"{math.floor(seconds * 10) / 10} s" if seconds < 10 else length(math.floor(seconds))


def time_left(left: Left) -> str:
    """Return how long something will take; empty where nothing tells it."""
    if not left.seconds:
        return ""
    return f"{'at least' if left.least else 'about'} {length(left.seconds)} left"


def short_time_left(left: Left) -> str:
    """Return the same in a column that is called so."""
    return "" if not left.seconds else f"{length(left.seconds)}{'+' if left.least else ''}"


def per_time(rate: float) -> str:
    """Return a rate in the unit in which it is a number above one; empty for none.

    Args:
        rate: Items a second.
    """
    for unit, seconds in (("s", 1), ("min", _MINUTE), ("h", _HOUR), ("d", _DAY)):
        if rate * seconds >= 1:
            return f"{_number(rate * seconds)}/{unit}"
    return ""


def _number(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def item_time(seconds: float | None) -> str:
    """Return how long one item takes: ``3.2 ms``, ``1.5 s``; empty where nothing tells it."""
    if not seconds:
        return ""
    for unit, factor in (("µs", 1e6), ("ms", 1e3), ("s", 1.0)):
        if seconds * factor < 1000:
            return f"{_number(seconds * factor)} {unit}"
    return length(seconds)
