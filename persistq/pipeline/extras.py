"""What a handler may take beside its item."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter
from typing import Any, Final

from persistq.errors import UsageError
from persistq.pipeline.callables import filled, parameters_of, required_of

EXTRAS: Final = frozenset({"ctx", "item", "settings"})
"""Names of parameters that a handler may have beside the item."""

BATCH_EXTRAS: Final = frozenset({"ctx", "items", "settings"})
"""The same for a handler that gets batches."""

SINK_EXTRAS: Final = frozenset({"conn"})
"""What a handler of a stage with a sink may have as well."""


FOLDER_EXTRAS: Final = frozenset({"out"})
"""What a handler of a stage with a folder has as well."""


def extras_of(
    handler: Callable[..., Any], *, several: bool, stores: bool, what: str, writes: bool = False
) -> frozenset[str]:
    """Return which extra parameters a handler takes.

    Args:
        handler: The handler.
        several: Whether it gets a list of items.
        stores: Whether its stage has a sink.
        what: What it is, for the message.
        writes: Whether its stage has a folder.

    Raises:
        UsageError: It takes no item, or a parameter that nobody fills, or writes nothing.
    """
    parameters = parameters_of(handler)
    if parameters is not None and not any(map(_takes_item, list(parameters.values())[:1])):
        raise UsageError(f"{what} takes no parameter: its first one is the item")
    names = BATCH_EXTRAS if several else EXTRAS
    if not writes and "out" in required_of(handler)[1:]:
        raise UsageError(
            f"{what} takes 'out', which is there with folder=: say where the files go, as in "
            '@pipeline.stage(folder="out")'
        )
    more = FOLDER_EXTRAS if writes else SINK_EXTRAS if stores else frozenset()
    found = filled(handler, names | more, what, after=1)
    if writes and "out" not in found:
        raise UsageError(
            f"{what} of a stage with folder= takes no parameter 'out': files are written with it, "
            "as in out.open(name)"
        )
    return found


def _takes_item(parameter: Parameter) -> bool:
    return parameter.kind not in {parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD}
