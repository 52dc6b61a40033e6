"""Lengths of time as people write them: ``30``, ``"30s"``, ``"1.5 min"``, ``"2h"``."""

from __future__ import annotations

import math
import re
import time
from typing import Any, Final

from persistq.errors import UsageError

UNITS: Final = {"ms": 0.001, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
"""Seconds of each unit."""

DAY_S: Final = 86_400.0
MAX_S: Final = 7 * DAY_S

_LONGEST: Final = {DAY_S: "a day", MAX_S: "a week"}

_FORM: Final = re.compile(rf"(\d+(?:\.\d*)?|\.\d+)\s*({'|'.join(UNITS)})?")


def seconds_of(what: str, length: Any, *, least: float = 0.0, most: float = MAX_S) -> float:
    """Return a length of time in seconds.

    Args:
        what: What it is, for the message.
        length: A number of seconds, or a text of a number and a unit of `UNITS`.
        least: The shortest that there may be, in seconds.
        most: The longest, in seconds: `MAX_S`, which is a week, or `DAY_S`.

    Raises:
        UsageError: It is none, or out of its bounds.
    """
    seconds = _seconds(length)
    if seconds is None or not least <= seconds <= most:
        raise UsageError(
            f"{what}={length!r} is refused: it should be seconds, or a text like '30s' or '5min', "
            f"from {least:g} s to {_LONGEST[most]}"
        )
    return seconds


def due_of(what: str, delay: Any) -> int:
    """Return when a delay that begins now is over, in milliseconds since 1970.

    Raises:
        UsageError: It is no length of time, as for `seconds_of`.
    """
    return math.ceil((time.time() + seconds_of(what, delay)) * 1000)


def _seconds(length: Any) -> float | None:
    if isinstance(length, str):
        found = _FORM.fullmatch(length.strip())
        return float(found[1]) * UNITS[found[2] or "s"] if found else None
    if not isinstance(length, int | float) or isinstance(length, bool):
        return None
    try:
        return float(length)
    except OverflowError:
        return math.inf
