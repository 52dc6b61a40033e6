"""From the places where settings are given to the object that has them all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, overload

from msgspec import NODEFAULT, Struct

from persistq.errors import UsageError
from persistq.fields import Field, fields_of
from persistq.settings import refusals
from persistq.settings.conversion import converted
from persistq.settings.places import Place, places_of, prefix_of
from persistq.settings.settings import Settings

S = TypeVar("S", bound=Settings)


@overload
def load_settings(**overrides: Any) -> Settings: ...


@overload
def load_settings(kind: type[S], /, **overrides: Any) -> S: ...


def load_settings(kind: type[Settings] = Settings, /, **overrides: Any) -> Settings:
    """Return the settings of this process, read anew at each call.

    Args:
        kind: `Settings`, or a program's own subclass.
        **overrides: Settings by name; only `command_line` wins over them. None means not given.

    Raises:
        UsageError: A value is wrong or a name unknown; one sentence for each.
    """
    places = list(places_of(kind, _given(overrides)))
    refused = [sentence for place in places for sentence in refusals.of_names(place)]
    values = dict(_values(kind, places, refused))
    refused += _missing(kind, places)
    if refused:
        raise UsageError("\n".join(refused))
    return _made(kind, values | {"_said": frozenset(values)})


def options_of(what: str, kind: type[Struct] = Settings, /, **given: Any) -> dict[str, Any]:
    """Return options that have the names and bounds of a struct's fields, validated.

    Args:
        what: What they are options of, for the message.
        kind: The struct.
        **given: Options by name; None means not given, and is left out of the answer.

    Raises:
        UsageError: A value is wrong; one sentence for each.
    """
    place = Place(what, _given(given), fields_of(kind), before=f"{what}: ", joint="=")
    refused: list[str] = []
    values = dict(_values(kind, [place], refused))
    if refused:
        raise UsageError("\n".join(refused))
    return {name: values[name] for name in place.said}


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _values(
    kind: type[Struct], places: Iterable[Place], refused: list[str]
) -> Iterator[tuple[str, Any]]:
    """Yield the fields that are given somewhere, and note what is refused."""
    for field in fields_of(kind).values():
        found = _value(field, [place for place in places if place.gives(field.name)], refused)
        if found is not NODEFAULT:
            yield field.name, found


def _value(field: Field, places: Iterable[Place], refused: list[str]) -> Any:
    """Return what the first place says; if that is a table, with what the others add to it."""
    found: Any = NODEFAULT
    for place in places:
        given = place.said[field.name]
        try:
            value = converted(field, given, written=place.written)
        except ValueError as error:
            refused.append(refusals.of_value(place, field.name, given, error))
            return found
        if not isinstance(value, dict):
            return value
        found = value if found is NODEFAULT else value | found
    return found


def _missing(kind: type[Settings], places: Iterable[Place]) -> Iterator[str]:
    for field in fields_of(kind).values():
        if field.default is NODEFAULT and not any(place.gives(field.name) for place in places):
            name = f"{prefix_of(kind)}{field.name.upper()}"
            yield f"{name}: it is not set, and has no default"


def _made(kind: type[Settings], values: dict[str, Any]) -> Settings:
    """Return the object, unless what a program's own class says of several fields forbids it."""
    try:
        return kind(**values)
    except ValueError as error:
        raise UsageError(f"{kind.__name__}: {error}") from error
