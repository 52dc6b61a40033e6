"""How a stage says that it gets its items in batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from persistq.errors import UsageError
from persistq.policy import BATCH_OPTIONS, Batching


def batching_of(what: str, given: Mapping[str, Any]) -> Batching | None:
    """Return how a stage gets its items; None if one by one.

    Args:
        what: What they are options of, for the message.
        given: Options by name, as far as they are given.

    Raises:
        UsageError: A value is wrong, or says how batches are made where there are none.
    """
    from persistq.settings import options_of

    said = {name: given.get(name) for name in BATCH_OPTIONS if given.get(name) is not None}
    if not said:
        return None
    if "batch" not in said:
        raise UsageError(f"{what}: {'= and '.join(said)}= without batch=: say how many items")
    return Batching(**options_of(what, Batching, **said))
