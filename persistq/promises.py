"""Telling a value from the promise of one: a coroutine, a future, a lazy collection.

Work that was only promised may never be done. So a promise is neither a handler's result nor an
item, whatever it is called.
"""

from __future__ import annotations

import inspect
from collections.abc import Coroutine, Iterable
from functools import lru_cache
from types import GeneratorType
from typing import Any, Final

_CONTAINERS: Final = frozenset({list, tuple, set, frozenset})

_ATOMS: Final = frozenset({int, str, bool, type(None), float, complex, bytes, bytearray})

_PROTOCOLS: Final = (
    (("__await__",), "an awaitable"),
    (("__anext__", "__aiter__"), "an asynchronous iterator"),
    (("add_done_callback", "result"), "a future"),
    (("ready", "get", "wait", "successful"), "an asynchronous result"),
    (("__dask_graph__",), "a lazy collection"),
)
"""What the types of promises have, and what these are called."""

_UNENTERED: Final = frozenset({"_GeneratorContextManager", "_AsyncGeneratorContextManager"})


@lru_cache(maxsize=1024)
def promised_by(kind: type) -> str:
    """Return what objects of a type are if they promise a value; empty if they are values."""
    if issubclass(kind, Coroutine):
        return "a coroutine"
    if kind.__module__ == "contextlib" and kind.__name__ in _UNENTERED:
        return "a context manager that nobody has entered"
    for attributes, description in _PROTOCOLS:
        if all(hasattr(kind, attribute) for attribute in attributes):
            return f"{description} ({kind.__module__}.{kind.__qualname__})"
    return ""


def promise(value: Any) -> str:
    """Return what a value is if it promises another one; empty if it does not."""
    if type(value) is GeneratorType and value.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE:
        return "a coroutine"
    kind: Any = type(value)
    return promised_by(kind)


def is_plain(value: Any, kind: type) -> bool:
    """Return whether a value is of numbers and texts only: that is quicker than to look closer.

    Args:
        value: The value.
        kind: Its type.
    """
    if kind is tuple or kind is list:
        return _ATOMS.issuperset(map(type, value))
    if kind is dict:
        return _ATOMS.issuperset(map(type, value.values()))
    return kind in _ATOMS


def promise_within(value: Any) -> str:
    """Return the promise that a value is, or that a plain container holds; empty if none."""
    if members := _members(value):
        found = filter(None, map(promised_by, set(map(type, members))))
        return next((f"a {type(value).__name__} with {one}" for one in found), "")
    return promise(value)


def _members(value: Any) -> Iterable[Any]:
    if type(value) is dict:
        return value.values()
    return value if type(value) in _CONTAINERS else ()


def discard(value: Any) -> None:
    """Close a coroutine that nobody will await, so that Python does not warn of it as well."""
    for coroutine in _members(value) or [value]:
        if isinstance(coroutine, Coroutine):
            coroutine.close()
