"""What a user may give as a handler, a source or a context, and what it is called."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, Final

from persistq.errors import NotAResult, UsageError
from persistq.promises import discard, promise_within
from persistq.text.suggestions import suggestion

_OWN_PACKAGE: Final = __name__.partition(".")[0]
_BY_NAME: Final = frozenset(
    {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
)
_CACHED: Final = type(functools.lru_cache(repr))


def _made_by(decorator: Callable[[Any], Any]) -> object:
    """Return the code that all functions share which a decorator of the library has made."""
    return decorator(lambda: None).__code__


_CONTEXT_MANAGERS: Final = frozenset(
    {_made_by(contextlib.contextmanager), _made_by(contextlib.asynccontextmanager)}
)


def checked(function: Any, what: str, *, awaited: bool = False) -> Any:
    """Return a callable, if calling it does its work.

    A wrapper is judged by itself, not by what it wraps: it may well wait for a coroutine.

    Args:
        function: What a decorator was given.
        what: What it is to be, for the message.
        awaited: Whether somebody awaits what an asynchronous generator yields.

    Raises:
        UsageError: It is not callable, or its call only promises the work.
    """
    called(function, what)
    if awaited and inspect.isasyncgenfunction(innermost(function)):
        return function
    if why := _why_vain(function):
        raise UsageError(
            f"{what} {name_of(function)!r} {why}: persistq calls ordinary functions, which have "
            "done their work when they return"
        )
    return function


def called(function: Any, what: str) -> Any:
    """Return a callable, whatever a call of it does.

    Args:
        function: What a decorator was given.
        what: What it is to be, for the message.

    Raises:
        UsageError: It is not callable.
    """
    if not callable(function):
        raise UsageError(
            f"{what} is to be a function, and {function!r} is none; options are given by name, "
            f"as in name={function!r}"
            if isinstance(function, str)
            else f"{what} is to be a function, and {function!r} is none"
        )
    return function


def is_asynchronous(function: Any) -> bool:
    """Return whether a call gives what is to be awaited, or an asynchronous generator.

    What a cache gives the second time was awaited before.
    """
    if not callable(function):
        return False
    inner = innermost(function, caches=False)
    return (
        inspect.iscoroutinefunction(inner)
        or inspect.iscoroutinefunction(function)
        or inspect.isasyncgenfunction(inner)
    )


def name_of(function: Any) -> str:
    """Return what a callable is called: itself, what it binds, or the class of the object."""
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    if getattr(inner, "__name__", "__call__") == "__call__":
        inner = type(getattr(inner, "__self__", inner))
    return str(inner.__name__)


def module_of_caller() -> str:
    """Return the name of the module that has called into persistq."""
    frame = sys._getframe(1)  # noqa: SLF001 - documented, and there is no other way
    while frame.f_back and _name_in(frame.f_globals).partition(".")[0] == _OWN_PACKAGE:
        frame = frame.f_back
    return _name_in(frame.f_globals)


def _name_in(names: Mapping[str, Any]) -> str:
    return str(names.get("__name__", ""))


def parameters_of(function: Any) -> dict[str, inspect.Parameter] | None:
    """Return the parameters of a callable; None if it does not tell, as `int` does not."""
    try:
        return dict(inspect.signature(function).parameters)
    except ValueError:
        return None


def required_of(function: Any) -> list[str]:
    """Return the names of the parameters that a callable cannot be called without."""
    parameters = (parameters_of(function) or {}).values()
    return [p.name for p in parameters if p.default is p.empty and p.kind in _BY_NAME]


def filled(function: Any, names: frozenset[str], what: str, *, after: int = 0) -> frozenset[str]:
    """Return which of the names are parameters of a function, to be filled by name.

    Args:
        function: A callable.
        names: What can be filled.
        what: What the function is, for the message.
        after: How many parameters come first that are filled by position.

    Raises:
        UsageError: It has another parameter without a default.
    """
    parameters = list((parameters_of(function) or {}).values())[after:]
    bound = function.keywords if isinstance(function, functools.partial) else {}
    takes = {p.name for p in parameters if p.kind in _BY_NAME and p.name not in bound} & names
    for parameter in parameters:
        variadic = parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
        if parameter.name not in takes and parameter.default is parameter.empty and not variadic:
            raise UsageError(_nobody_fills(what, parameter.name, names, after))
    return frozenset(takes)


def _nobody_fills(what: str, name: str, names: frozenset[str], after: int) -> str:
    it = "beside the item a handler" if after else "it"
    return (
        f"{what} takes {name!r}, which nobody fills{suggestion(name, names)}: {it} may take "
        f"{', '.join(sorted(names))}, and parameters with defaults"
    )


def require_result(value: Any, what: str, verb: str = "returned") -> None:
    """Refuse what a function has returned or yielded if it only promises a result.

    Args:
        value: What it was.
        what: The function, for the message.
        verb: How it came, for the message.

    Raises:
        NotAResult: It promises one.
    """
    if found := promise_within(value):
        discard(value)
        raise NotAResult(
            what,
            f"{verb} {found}, which only promises a result: wait for the result in the function, "
            f"and {verb.removesuffix('ed')} that",
        )


def _why_vain(function: Any) -> str:
    """Return why a call would not do the work, in words; empty if it may."""
    if inspect.isclass(function):
        called = any("__call__" in vars(base) for base in function.__mro__)
        return "is a class whose objects do the work when they are called; give one" * called
    inner = innermost(function)
    if inspect.isasyncgenfunction(inner):
        return "is an asynchronous generator (async def with yield)"
    if inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(function):
        return "is a coroutine function (async def)"
    code = getattr(inner, "__code__", None)
    if code in _CONTEXT_MANAGERS:
        return "makes a context manager, which nobody would enter"
    flags = getattr(code, "co_flags", 0)
    return "is a coroutine function" * bool(flags & inspect.CO_ITERABLE_COROUTINE)


def innermost(function: Any, *, caches: bool = True) -> Any:
    """Return the function that a call ends in, through partials, caches, methods and objects."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, _CACHED):
            if not caches:
                return function
            function = function.__wrapped__
        elif inspect.ismethod(function):
            function = function.__func__
        elif isinstance(call := inspect.getattr_static(type(function), "__call__"), FunctionType):
            function = call
        else:
            return function
