"""What a handler may take beside its item."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter
from typing import Any, Final

from persistq.errors import UsageError
from persistq.pipeline.callables import filled, parameters_of

EXTRAS: Final = frozenset({"ctx", "item", "settings"})
"""Names of parameters that a handler may have beside the item."""

BATCH_EXTRAS: Final = frozenset({"ctx", "items", "settings"})
"""The same for a handler that gets batches."""

SINK_EXTRAS: Final = frozenset({"conn"})
"""What a handler of a stage with a sink may have as well."""


def extras_of(
    handler: Callable[..., Any], *, several: bool, stores: bool, what: str
) -> frozenset[str]:
    """Return which extra parameters a handler takes.

    Args:
        handler: The handler.
        several: Whether it gets a list of items.
        stores: Whether its stage has a sink.
        what: What it is, for the message.

    Raises:
        UsageError: It takes no item, or a parameter that nobody fills.
    """
    parameters = parameters_of(handler)
    if parameters is not None and not any(map(_takes_item, list(parameters.values())[:1])):
        raise UsageError(f"{what} takes no parameter: its first one is the item")
    names = BATCH_EXTRAS if several else EXTRAS
    return filled(handler, names | SINK_EXTRAS if stores else names, what, after=1)


def _takes_item(parameter: Parameter) -> bool:
    return parameter.kind not in {parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD}
