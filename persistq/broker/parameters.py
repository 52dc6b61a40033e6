"""Parameters belong to the load: which ones a new load gets, and whether a start fits them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from persistq.codec import Codec
from persistq.errors import UsageError
from persistq.journal.load import Param

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persistq.wire.messages import Opening, Parameter


def first_parameters(opening: Opening) -> list[Param]:
    """Return the parameters that a new load gets: those given, and the source's defaults.

    Raises:
        UsageError: The source needs one that was not given.
    """
    for parameter in opening.parameters:
        if parameter.required and not parameter.given:
            raise UsageError(
                f"source {opening.source!r} needs --param {parameter.name}=... (in code "
                f"run(params={{{parameter.name!r}: ...}}))"
            )
    return [
        Param(p.name, p.codec, p.payload, p.shown, p.given)
        for p in opening.parameters
        if p.codec >= 0
    ]


def require_agreement(
    opening: Opening, load_id: int, kept: Mapping[str, Param], *, sealed: bool
) -> None:
    """Refuse a start that does not fit the parameters of the load that it would carry on.

    Args:
        opening: The start.
        load_id: The load.
        kept: Its parameters.
        sealed: Whether its source has come to its end, and is not called again.

    Raises:
        UsageError: The start gives another value, the source lacks a parameter, or needs one more.
    """
    for parameter in opening.parameters if not opening.yields else ():
        if parameter.given and not _same(parameter, kept.get(parameter.name)):
            raise _refused(opening, load_id, _difference(parameter, kept.get(parameter.name)))
    if sealed:
        return
    for parameter in opening.parameters:
        if parameter.required and not parameter.given and parameter.name not in kept:
            reason = f"was begun without {parameter.name}, which source {opening.source!r} needs"
            raise _refused(opening, load_id, reason)
    taken = {parameter.name for parameter in opening.parameters}
    for param in kept.values():
        if param.given and param.name not in taken and not opening.takes_any:
            reason = f"was begun with {param.name}={param.shown}, which its source takes no more"
            raise _refused(opening, load_id, reason)


def _same(parameter: Parameter, param: Param | None) -> bool:
    if param is None or parameter.codec != param.codec:
        return False
    return parameter.payload == param.payload or (
        parameter.codec == Codec.JSON and _sorted(parameter.payload) == _sorted(param.payload)
    )


def _sorted(payload: bytes) -> bytes:
    """Return JSON with the keys of its objects in order."""
    return msgspec.json.encode(msgspec.json.decode(payload), order="deterministic")


def _difference(parameter: Parameter, param: Param | None) -> str:
    name, wanted = parameter.name, parameter.shown
    if param is None:
        return f"was begun without {name}, and this start says {name}={wanted}"
    if param.shown == wanted:
        wanted = f"{wanted} (another value)"
    return f"was begun with {name}={param.shown}, and this start says {name}={wanted}"


def _refused(opening: Opening, load_id: int, reason: str) -> UsageError:
    return UsageError(
        f"load {load_id} in {opening.path} is unfinished and {reason}: carry it on without naming "
        "parameters, begin anew with --fresh (fresh=True), or keep a load for each set of "
        'parameters with a name like Pipeline("sales-{day}")'
    )
