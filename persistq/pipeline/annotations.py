"""What a handler says of its items: the annotation of its first parameter."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Collection, Iterable, MutableSequence, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin, get_type_hints, is_typeddict
from uuid import UUID

import msgspec

from persistq.pipeline.callables import innermost, parameters_of
from persistq.pipeline.models import is_model

if TYPE_CHECKING:
    from collections.abc import Callable

_LISTS: Final = (list, Sequence, MutableSequence, Collection, Iterable)
_KINDS: Final = (msgspec.Struct, PurePath, date, Decimal, UUID, Enum)


def item_annotation(handler: Callable[..., Any], *, listed: bool) -> Any:
    """Return the type of one item, as a handler says it; None if it says none.

    Args:
        handler: The handler.
        listed: Whether it gets its items in lists.
    """
    first = next(iter((parameters_of(handler) or {}).values()), None)
    if first is None or first.annotation is first.empty:
        return None
    found = _resolved(first.annotation, handler)
    if not listed:
        return found
    return get_args(found)[0] if get_origin(found) in _LISTS else None


def decides(annotation: Any) -> bool:
    """Return whether a type decides how items are stored: it, or a part of it, is of such a kind.

    What is left out has a form of its own in JSON, or in none, as numbers and arrays have.
    """
    inner = getattr(annotation, "__supertype__", None) or getattr(annotation, "__value__", None)
    if inner is not None and not isinstance(annotation, type):
        return decides(inner)
    parts = get_args(annotation)
    return _is_kind(get_origin(annotation) or annotation) or any(map(decides, parts))


def _is_kind(kind: Any) -> bool:
    if not isinstance(kind, type):
        return False
    if dataclasses.is_dataclass(kind) or is_typeddict(kind):
        return True
    return issubclass(kind, _KINDS) or is_model(kind)


def _resolved(annotation: Any, handler: Callable[..., Any]) -> Any:
    """Return an annotation that may be a text, or have one in it; None if it means nothing here."""

    def holder() -> None: ...

    holder.__annotations__ = {"item": annotation}
    names = getattr(_function_of(handler), "__globals__", {})
    try:
        return get_type_hints(holder, names, include_extras=True)["item"]
    except Exception:  # noqa: BLE001 - it is the user's, and may be for type checkers alone
        return None


def _function_of(handler: Any) -> Any:
    """Return the function that was written, whatever is around it."""
    while (inner := inspect.unwrap(innermost(handler))) is not handler:
        handler = inner
    return handler
