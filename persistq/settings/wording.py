"""What a value should be, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final, Literal, get_args, get_origin

from persistq.fields import Field
from persistq.text.masking import is_secret, masked_text

_SCALARS: Final = {bool: "true or false", float: "a number", int: "a whole number", str: "text"}
_WRITTEN: Final = {dict: "a JSON object", list: "a JSON list"}
_IN_CODE: Final = {dict: "a dict", list: "a list"}
_BOUNDS: Final = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def wanted(field: Field, detail: str, *, written: bool) -> str:
    """Return what the values of a field are, as the end of a sentence.

    Args:
        field: The field.
        detail: What msgspec says of the value; it is left out where it would say the same again,
            or might show a secret.
        written: Whether the value is a text that stands for another one.
    """
    kinds = _alternatives(_kind(kind, field, written=written) for kind in field.kinds)
    if all(map(_is_plain, field.kinds)) or is_secret(field.name) or is_secret(detail):
        return f"it should be {kinds}"
    # Some, such as pydantic's, have several lines.
    return f"it should be {kinds} ({masked_text(' '.join(detail.split()))})"


def _is_plain(kind: Any) -> bool:
    return kind in _SCALARS or _choices(kind) != ()


def _kind(kind: Any, field: Field, *, written: bool) -> str:
    if choices := _choices(kind):
        return _alternatives(map(repr, choices))
    if kind in {int, float}:
        return _number(_SCALARS[kind], field)
    base = get_origin(kind) or kind
    names = _SCALARS | (_WRITTEN if written else _IN_CODE)
    return names.get(base) or f"a value of type {getattr(base, '__name__', base)}"


def _choices(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(member.value for member in kind)
    return ()


def _number(name: str, field: Field) -> str:
    counted = f" of {field.unit}" if field.unit else ""
    return ", ".join(filter(None, (f"{name}{counted}", _range(field.bounds))))


def _range(bounds: Mapping[str, float]) -> str:
    if bounds.keys() == {"ge", "le"}:
        return f"from {bounds['ge']:,} to {bounds['le']:,}"
    return " and ".join(f"{_BOUNDS[name]} {bound:,}" for name, bound in bounds.items())


def _alternatives(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
