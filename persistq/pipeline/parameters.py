"""The parameters of a source: what this start says, and what its load has kept."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from persistq.codec import ItemCodec
from persistq.errors import ItemNotReadable, ItemNotStorable, UsageError
from persistq.pipeline import callables
from persistq.text.masking import MASK, masked
from persistq.text.suggestions import suggestion
from persistq.text.terminal import encodable
from persistq.wire.messages import Parameter

if TYPE_CHECKING:
    from persistq.pipeline.source import Source

SHOWN_MAX: Final = 200
"""Most characters of a value that are shown."""

SETTINGS: Final = "settings"
CURSOR: Final = "cursor"
WANTED: Final = "wanted"
_FILLED: Final = frozenset({SETTINGS, CURSOR})
"""Parameters that nobody gives: they are filled in."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What one start says about the parameters of a source.

    Attributes:
        source: Name of the source.
        given: The values that this start names.
        declared: The source's own parameters.
        takes_any: Whether it takes others too.
        codec: How values are stored.
    """

    source: str
    given: Mapping[str, Any]
    declared: Mapping[str, inspect.Parameter]
    takes_any: bool
    codec: ItemCodec

    @property
    def values(self) -> dict[str, Any]:
        """The values that are given, and the source's defaults for the others."""
        defaults = {
            name: parameter.default
            for name, parameter in self.declared.items()
            if parameter.default is not parameter.empty
        }
        return defaults | dict(self.given)

    def encoded(self) -> list[Parameter]:
        """Return all parameters as the broker compares and keeps them.

        Raises:
            UsageError: A value that is given cannot be stored.
        """
        return [self._encoded(name) for name in {**self.declared, **self.given}]

    def _encoded(self, name: str) -> Parameter:
        given, values = name in self.given, self.values
        if name not in values:
            return Parameter(name, required=True)
        required = name in self.declared and self.declared[name].default is inspect.Parameter.empty
        try:
            codec, payload = self.codec.encode(values[name])
        except ItemNotStorable as error:
            if not given:
                # The source makes it anew at each start, such as a lock.
                return Parameter(name)
            raise UsageError(
                f"the parameter {name!r} cannot be kept with its load: {error.reason}; "
                "give what describes it, and make it in the source"
            ) from error
        return Parameter(name, codec, payload, shown(name, values[name]), given, required)

    def of_load(self, kept: Iterable[Parameter]) -> dict[str, Any]:
        """Return the parameters of a load by name: those it has kept, then those given here.

        Defaults that the source has no parameter for any more are left out.

        Args:
            kept: What the load has kept.

        Raises:
            UsageError: A kept value cannot be read in this process.
        """
        wanted = [p for p in kept if p.given or p.name in self.declared]
        return dict(self.given) | {p.name: self._decoded(p) for p in wanted}

    def _decoded(self, kept: Parameter) -> Any:
        values = self.values
        if kept.name in values and _equal(self._encoded(kept.name), kept):
            # The value itself may be worth more than its copy.
            return values[kept.name]
        try:
            return self.codec.decode(0, kept.codec, kept.payload)
        except ItemNotReadable as error:
            reason = f"the parameter {kept.name!r} of the load cannot be read: {error.reason}"
            raise UsageError(reason) from error


def parameters_of(
    sources: Sequence[Source], given: Mapping[str, Any], codec: ItemCodec
) -> Parameters:
    """Return what a start says about the parameters of a pipeline's sources.

    Several sources that take a parameter of the same name get the same value.

    Args:
        sources: The sources.
        given: The values that this start names.
        codec: How values are stored.

    Raises:
        UsageError: No source takes one of them, or two have different defaults for one.
    """
    names = " or ".join(repr(source.name) for source in sources)
    told = [callables.parameters_of(source.function) for source in sources]
    takes_any = any(found is None or any(map(_is_any, found.values())) for found in told)
    declared: dict[str, inspect.Parameter] = {}
    for source, found in zip(sources, told, strict=True):
        for name, parameter in _declared(found or {}, polls=source.polling is not None).items():
            if _differs(declared.setdefault(name, parameter), parameter):
                raise UsageError(
                    f"the sources {names} have different defaults for the parameter {name!r}: they "
                    "get the same value, so give both the same default"
                )
    for name in given:
        if name not in declared and not takes_any:
            near = suggestion(name, declared)
            raise UsageError(f"source {names} takes no parameter {name!r}{near}")
    return Parameters(
        " or ".join(source.name for source in sources), given, declared, takes_any, codec
    )


def _is_any(parameter: inspect.Parameter) -> bool:
    return parameter.kind is parameter.VAR_KEYWORD


def _declared(
    parameters: Mapping[str, inspect.Parameter], *, polls: bool
) -> dict[str, inspect.Parameter]:
    """Return the parameters that somebody may give."""
    filled = _FILLED | ({WANTED} if polls else frozenset())
    by_name = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    return {
        name: parameter
        for name, parameter in parameters.items()
        if parameter.kind in by_name and name not in filled
    }


def _differs(one: inspect.Parameter, other: inspect.Parameter) -> bool:
    if one is other:
        return False
    return bool(one.default is not other.default and one.default != other.default)


def taken_by(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the values that a source takes."""
    told = callables.parameters_of(function)
    if told is None or any(map(_is_any, told.values())):
        return dict(values)
    return {name: value for name, value in values.items() if name in told}


def wants(function: Callable[..., Any], name: str) -> bool:
    """Return whether a source takes one of the parameters that are filled in."""
    return name in (callables.parameters_of(function) or {})


def shown(name: str, value: Any) -> str:
    """Return a value for people: JSON where it is any, and masked where it is a secret."""
    safe = masked(name, value)
    if safe == MASK:
        return MASK
    try:
        text = json.dumps(safe, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = _described(safe)
    text = encodable(text)
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"


def _described(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - the value's own code may raise anything
        return f"<{type(value).__name__}>"


def _equal(one: Parameter, other: Parameter) -> bool:
    return (one.codec, one.payload) == (other.codec, other.payload)
