"""What a stage says of its pauses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from persistq.duration import seconds_of
from persistq.errors import UsageError
from persistq.flow import Drop, Failed, Retry

if TYPE_CHECKING:
    from persistq.pool.worker import Pauses


def pauses_of(what: str, given: Any) -> Pauses:
    """Return for which errors a stage rests, and how long, in the order in which it says so.

    Raises:
        UsageError: It names something else than errors that a handler raises for its own reasons.
    """
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise UsageError(f'{what}: pause={given!r} is refused: give {{ConnectionError: "30s"}}')
    for kind in given:
        known = isinstance(kind, type) and issubclass(kind, Exception)
        if not known or issubclass(kind, Retry | Drop | Failed) or kind is Exception:
            shown = getattr(kind, "__qualname__", repr(kind))
            raise UsageError(
                f"{what}: pause={{{shown}: ...}} is refused: name classes of errors for which no "
                "item is to blame"
            )
    return tuple(
        (kind, seconds_of(f"{what}: pause[{kind.__qualname__}]", length, least=0.01))
        for kind, length in given.items()
    )
