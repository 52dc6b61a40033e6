"""Why an outstanding item waits: it has failed before, or was put to wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from persistq.items import FailureKind, IdRange


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often an outstanding item has failed so far, by kind.

    ``retry_at`` is when it is to be tried again, in seconds since 1970; None if at once.
    """

    item_id: int
    kind: FailureKind
    count: int
    retry_at: float | None = None


class Delay(NamedTuple):
    """Outstanding items that were put to wait.

    Attributes:
        ids: The items.
        due: Until when, in seconds since 1970.
    """

    ids: IdRange
    due: float
