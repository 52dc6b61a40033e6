"""A source that is asked again and again: how often, for how much, and what comes of its errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from persistq.duration import seconds_of
from persistq.errors import UsageError
from persistq.flow import Retry

MOST: Final = 1000
"""Items that may be outstanding in the stage of a source which does not say otherwise."""

_DOUBLINGS_MAX: Final = 60
"""More of them would only overflow."""

_POLICY: Final = ("retries", "backoff", "backoff_max")


@dataclass(frozen=True, slots=True)
class Polling:
    """How a source is asked.

    Attributes:
        most: Most outstanding items of its stage; it is asked for those that are missing.
        interval: Seconds to wait after an answer with nothing new.
        interval_max: Most seconds to wait after several of them.
        requeue_after: For so many seconds an equal item is not put again.
        exhausted_after: After so many answers with nothing new it is over; None is never.
        retries: How often in a row it may raise.
        backoff: Seconds to wait when it has raised.
        backoff_max: Most seconds to wait when it has raised several times.
    """

    most: int = MOST
    interval: float = 0.1
    interval_max: float = 5.0
    requeue_after: float = 0.0
    exhausted_after: int | None = None
    retries: int | None = None
    backoff: float | None = None
    backoff_max: float | None = None

    @classmethod
    def of(cls, name: str, said: Mapping[str, Any]) -> Polling:
        """Return how a source is asked that says these options.

        Raises:
            UsageError: A value is wrong.
        """
        seconds = {
            option: seconds_of(f"source {name!r}: {option}", said[option], least=least)
            for option, least in (
                ("interval", 0.001),
                ("interval_max", 0.001),
                ("requeue_after", 0),
            )
            if option in said
        }
        polling = cls(**{**said, **seconds})
        times = polling.exhausted_after
        if times is not None and (type(times) is not int or times < 1):
            raise UsageError(
                f"source {name!r}: exhausted_after={times!r} is refused: give a number of answers "
                "with nothing new, from 1 on"
            )
        if polling.interval_max < polling.interval:
            return replace(polling, interval_max=polling.interval)
        return polling

    def validated(self, what: str) -> Polling:
        """Return this with options that have the bounds of the settings of the same names.

        Raises:
            UsageError: A value is wrong.
        """
        from persistq.settings import options_of

        said = {name: getattr(self, name) for name in _POLICY}
        checked = options_of(what, max_outstanding=self.most, **said)
        return replace(self, most=checked.pop("max_outstanding"), **checked)

    def with_defaults(self, settings: Any) -> Polling:
        """Return this with the settings where it says nothing."""
        silent = [name for name in _POLICY if getattr(self, name) is None]
        return replace(self, **{name: getattr(settings, name) for name in silent})

    def idle(self, times: int) -> float:
        """Return how long to wait after so many answers with nothing new, in seconds."""
        return _doubled(self.interval, times, self.interval_max)

    def pause(self, times: int, error: BaseException) -> float | None:
        """Return how long to wait after so many errors in a row; None if that was one too many."""
        if times > (self.retries or 0):
            return None
        if isinstance(error, Retry) and error.delay is not None:
            return error.delay
        return _doubled(self.backoff or 0.0, times, self.backoff_max or 0.0)


def _doubled(seconds: float, times: int, most: float) -> float:
    return float(min(most, seconds * 2.0 ** min(times - 1, _DOUBLINGS_MAX)))
