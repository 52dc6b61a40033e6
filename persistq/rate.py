"""Rates as people write them: ``"20/s"``, ``"600/min"``, ``"5 per 2 h"``."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from persistq.duration import UNITS
from persistq.errors import UsageError

BURST_MAX: Final = 1_000_000
INTERVAL_LEAST_S: Final = 1e-6
INTERVAL_MAX_S: Final = 7 * 86_400.0

_NUMBER: Final = r"\d+(?:\.\d*)?|\.\d+"
_FORM: Final = re.compile(
    rf"({_NUMBER})\s*(?:/|\bper\b)\s*({_NUMBER})?\s*({'|'.join(UNITS)})", re.ASCII
)


class Rate(msgspec.Struct, frozen=True):
    """How often a handler may be called.

    Attributes:
        interval: Seconds for each call, on the average.
        burst: How many calls may be made at once after a time without any.
    """

    interval: Annotated[float, Meta(ge=INTERVAL_LEAST_S, le=INTERVAL_MAX_S)]
    burst: Annotated[int, Meta(ge=1, le=BURST_MAX)] = 1


def rate_of(what: str, rate: Any, burst: Any = None) -> Rate | None:
    """Return how often a stage's handler may be called; None if nothing was said.

    Args:
        what: What it is an option of, for the message.
        rate: A text of a number of calls and a time, as in ``"600/min"``; None for no limit.
        burst: How many calls may be made at once; None means 1.

    Raises:
        UsageError: They are none, or out of their bounds.
    """
    if rate is None:
        if burst is not None:
            raise UsageError(f"{what}: burst= without rate=: say how often, as in rate='20/s'")
        return None
    interval = _interval(rate) if isinstance(rate, str) else None
    if interval is None or not INTERVAL_LEAST_S <= interval <= INTERVAL_MAX_S:
        raise UsageError(
            f"{what}: rate={rate!r} is refused: it should be a text like '20/s', '600/min' or "
            "'5/h', from one call in a week to a million in a second"
        )
    known = isinstance(burst, int) and not isinstance(burst, bool) and 1 <= burst <= BURST_MAX
    if burst is not None and not known:
        raise UsageError(
            f"{what}: burst={burst!r} is refused: it should be a number of calls, from 1 to "
            f"{BURST_MAX:,}"
        )
    return Rate(interval, 1 if burst is None else burst)


def _interval(rate: str) -> float | None:
    """Return the seconds for each call, None if the text says nothing of that kind."""
    if (found := _FORM.fullmatch(rate.strip())) is None:
        return None
    calls, seconds = float(found[1]), float(found[2] or 1) * UNITS[found[3]]
    return seconds / calls if calls and seconds else None
