"""Plain forms: what stands in JSON for values that msgspec does not know, and back."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from persistq.pipeline.models import is_model, model_in, model_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

# What inherits a simple type, as numbers of numpy and moments of pandas do, is what it inherits:
# whether that loses something is seen when the item is rebuilt.
_SIMPLE: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (str, str),
    (int, int),
    (float, float),
    (bytes, bytes),
    (datetime, lambda found: datetime.combine(found.date(), found.timetz())),
    (date, lambda found: date(found.year, found.month, found.day)),
)


def plain(value: Any) -> Any:
    """Return what stands for a value that msgspec does not know.

    Raises:
        TypeError: There is no such thing.
    """
    if isinstance(value, PurePath):
        return str(value)
    if is_model(type(value)):
        return text_of(value)
    for kind, form in _SIMPLE:
        if isinstance(value, kind):
            return form(value)
    raise TypeError(f"JSON has nothing for a {type(value).__qualname__}")


def plainer(value: Any) -> Any:
    """Return a value with the plain forms of those parts that are given in none."""
    if type(value) is dict:
        return {key: plainer(part) for key, part in value.items()}
    if type(value) in {list, tuple}:
        return [*map(plainer, value)]
    if isinstance(value, Enum):
        return value.value
    for kind, form in _SIMPLE:
        if isinstance(value, kind) and not isinstance(value, bool):
            return form(value)
    return value


def is_known(kind: type) -> bool:
    """Return whether objects of a class that msgspec does not know have a plain form here."""
    return issubclass(kind, PurePath) or is_model(kind)


def given(kind: type, value: Any) -> Any:
    """Return the object of such a class of what a program gives for it.

    Raises:
        ValueError: It is wrong.
    """
    return _of(kind, value, model_of)


def stored(kind: type, value: Any) -> Any:
    """Return the object of such a class of what JSON says.

    Raises:
        ValueError: It is wrong.
    """
    return _of(kind, value, model_in)


def _of(kind: type, value: Any, model: Callable[[Any, Any], Any]) -> Any:
    if isinstance(value, kind):
        return value
    if is_model(kind):
        return model(kind, value)
    if isinstance(value, str):
        return kind(value)
    raise ValueError(f"Expected `{kind.__name__}`, got `{type(value).__qualname__}`")
