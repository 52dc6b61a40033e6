"""What a handler may ask for by raising: another attempt later, or none at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from persistq.errors import UsageError

RETRY_DELAY_MAX_S: Final = 7 * 86_400.0


class Retry(Exception):
    """Raised by a handler: try this item again later.

    It counts as a failed attempt, so the stage's ``retries`` bound it. With ``counts=False`` it is
    none, and the item is put off as often as it takes: for a server that says when to come again.

    Args:
        delay: Seconds to wait, at most a week; by default the stage's back-off decides. With
            ``counts=False`` that does not grow, and a wait has 10 ms at least.
        reason: Kept with the attempt; of an item that is put off again and again, the last one.
        counts: Whether the attempt counts as failed.

    Raises:
        UsageError: The delay is no such number.
    """

    def __init__(
        self, delay: float | None = None, reason: str = "", *, counts: bool = True
    ) -> None:
        super().__init__(delay, reason)
        self.delay = None if delay is None else _seconds(delay)
        self.reason = reason
        self.counts = counts

    def __str__(self) -> str:
        return self.reason or "the handler asked for another attempt"


def _seconds(delay: float) -> float:
    try:
        seconds = float(delay)
    except (TypeError, ValueError, OverflowError):
        seconds = -1.0
    # An item that waits for a time which never comes would keep its load open for ever.
    if not 0 <= seconds <= RETRY_DELAY_MAX_S:
        raise UsageError(f"Retry(delay={delay!r}): give seconds, from 0 to a week")
    return seconds


class Drop(Exception):
    """Raised by a handler: this item needs no work; it is settled as dropped.

    Args:
        reason: Why.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Failed(Exception):
    """Raised by the handler of a batch: these of its items failed, and no others.

    Args:
        errors: What is wrong with each, by its index in the batch that the handler got; an error
            may be a `Retry` or a `Drop`.
        results: What the handler would have returned: one for each item of the batch, those that
            failed too; None if nothing was made of the others. In a stage with a sink the others
            are stored again, so that it does not count.

    Raises:
        UsageError: It blames nobody, or an index or error is none.
    """

    def __init__(
        self, errors: Mapping[int, BaseException], results: Sequence[Any] | None = None
    ) -> None:
        super().__init__(errors)
        if not errors or not all(map(_is_blame, errors.items())):
            raise UsageError(f"Failed({errors!r}): give an error for each index, from 0")
        self.errors = dict(errors)
        self.results = results


def _is_blame(blame: tuple[int, BaseException]) -> bool:
    index, error = blame
    return isinstance(index, int) and index >= 0 and isinstance(error, BaseException)
