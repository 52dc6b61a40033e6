"""Lengths of time as people write them: ``30``, ``"30s"``, ``"1.5 min"``, ``"2h"``."""

from __future__ import annotations

import math
import re
import time
from typing import Any, Final

from persistq.errors import UsageError

UNITS: Final = {"ms": 0.001, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
"""Seconds of each unit."""

MAX_S: Final = 7 * 86_400.0

_FORM: Final = re.compile(rf"(\d+(?:\.\d*)?|\.\d+)\s*({'|'.join(UNITS)})?")


def seconds_of(what: str, length: Any, *, least: float = 0.0) -> float:
    """Return a length of time in seconds.

    Args:
        what: What it is, for the message.
        length: A number of seconds, or a text of a number and a unit of `UNITS`.
        least: The shortest that there may be, in seconds; the longest is a week.

    Raises:
        UsageError: It is none, or out of its bounds.
    """
    seconds = _seconds(length)
    if seconds is None or not least <= seconds <= MAX_S:
        raise UsageError(
            f"{what}={length!r} is refused: it should be seconds, or a text like '30s' or '5min', "
            f"from {least:g} s to a week"
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
    number = isinstance(length, int | float) and not isinstance(length, bool)
    return float(length) if number else None
