"""What a struct declares of its fields, for those who check values and those who describe them.

``retries: Annotated[int, Unit("attempts"), Meta(ge=0, description="...")] = 0`` is one field, with
all that is known of it.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number counts; shown beside the default in the documentation."""

    name: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What the type of a field cannot say of its values.

    Attributes:
        read: Takes a value as it was given, of any type, and returns it as the type is to see it.
            Raises ValueError, with what is wrong in words, if it can be no value of the field.
    """

    read: Callable[[Any], Any]


class Field(NamedTuple):
    """One field of a struct.

    Attributes:
        name: Its name.
        type: Its annotation, with all marks.
        kinds: The types that its values may have; None is not among them.
        default: What holds where nobody says anything; ``NODEFAULT`` if somebody has to.
        bounds: ``ge``, ``gt``, ``le`` and ``lt``, as far as there are any.
        unit: What it counts; empty if nothing.
        rule: What its type cannot say; None if there is nothing.
        description: What it means and what it trades.
    """

    name: str
    type: Any
    kinds: tuple[Any, ...]
    default: Any
    bounds: Mapping[str, float]
    unit: str
    rule: Rule | None
    description: str


@functools.cache
def fields_of(kind: type[msgspec.Struct]) -> Mapping[str, Field]:
    """Return the fields of a struct by name, without those that are its own business."""
    declared = msgspec.structs.fields(kind)
    return {field.name: _field(field) for field in declared if not field.name.startswith("_")}


def _field(declared: msgspec.structs.FieldInfo) -> Field:
    parts = list(_parts(declared.type))
    metas = [part for part in parts if isinstance(part, Meta)]
    return Field(
        declared.name,
        declared.type,
        tuple(part for part in parts if not isinstance(part, (Meta, Rule, Unit))),
        _default(declared),
        {name: bound for meta in metas for name, bound in _bounds(meta)},
        next((part.name for part in parts if isinstance(part, Unit)), ""),
        next((part for part in parts if isinstance(part, Rule)), None),
        next((meta.description for meta in metas if meta.description), ""),
    )


def _default(declared: msgspec.structs.FieldInfo) -> Any:
    if declared.default_factory is NODEFAULT:
        return declared.default
    return declared.default_factory()


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield what an annotation is made of: its marks, and the types of a union one by one."""
    if get_origin(annotation) is Annotated:
        yield from annotation.__metadata__
        yield from _parts(annotation.__origin__)
    elif get_origin(annotation) in {types.UnionType, Union}:
        for member in get_args(annotation):
            yield from _parts(member)
    elif annotation is not types.NoneType:
        yield annotation


def _bounds(meta: Meta) -> Iterator[tuple[str, float]]:
    for name in ("ge", "gt", "le", "lt"):
        if (bound := getattr(meta, name)) is not None:
            yield name, bound
