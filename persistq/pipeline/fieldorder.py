"""Fields in the order of their declaration, so that equal objects have equal bytes."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

_SIMPLE: Final = frozenset({str, int, float, bool, type(None), bytes})
_MANY: Final = frozenset({list, tuple, set, frozenset})


def put_in_order(found: Any) -> None:
    """Give the dataclasses in what msgspec has read all their fields, as they are declared.

    It leaves out defaults and takes the order in which it finds fields, and writes them so.
    """
    kind: Any = type(found)
    if kind in _SIMPLE:
        return
    if kind in _MANY:
        parts = found
    elif kind is dict:
        parts = found.values()
    else:
        names = _names(kind)
        parts = [getattr(found, name) for name in names]
        if names and is_dataclass(kind) and (own := getattr(found, "__dict__", None)) is not None:
            own.clear()
            own.update(zip(names, parts, strict=True))
    for part in parts:
        put_in_order(part)


@lru_cache(maxsize=256)
def _names(kind: type) -> tuple[str, ...]:
    """Return the names of the fields of a class; none of one that has no such fields."""
    if issubclass(kind, Struct):
        return kind.__struct_fields__
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
