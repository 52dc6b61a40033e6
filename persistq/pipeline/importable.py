"""Whether a new process can import a function."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from multiprocessing import get_context
from typing import Any

from persistq.errors import UsageError
from persistq.pickles import MAIN
from persistq.pipeline.callables import name_of


def require_importable(function: Callable[..., Any], start_method: str | None) -> None:
    """Require that processes find a function, where they are not forked.

    Args:
        function: The function.
        start_method: How processes start; None is Python's default.

    Raises:
        UsageError: It has no name in a module, or its module is a session at a keyboard.
    """
    _refuse(function, start_method, _why_not(_innermost(function)))


def require_no_session(functions: Iterable[Callable[..., Any]], start_method: str | None) -> None:
    """Require that none of these is defined in a session, where processes are not forked.

    What else keeps a process from getting a function is told when it is handed over. That a
    session has it, only the new process would find out, and die, and so would the next one.

    Args:
        functions: The functions, or objects of classes, that processes call.
        start_method: How processes start; None is Python's default.

    Raises:
        UsageError: One of them is.
    """
    for function in functions:
        _refuse(function, start_method, _of_session(_innermost(function)))


def _refuse(function: Callable[..., Any], start_method: str | None, why: str) -> None:
    """Refuse a function for a reason, if there is one, unless processes are forked."""
    method = get_context(start_method).get_start_method()
    if why and method != "fork":
        raise UsageError(
            f"the function {name_of(function)!r} {why}, where a process started by {method} does "
            "not find it: put it at the top level of a module, and import it from there"
        )


def _innermost(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _why_not(function: Any) -> str:
    name = getattr(function, "__qualname__", "")
    if "<lambda>" in name:
        return "is a lambda"
    if "<locals>" in name:
        return "is defined within another function"
    return _of_session(function)


def _of_session(function: Any) -> str:
    at_keyboard = not hasattr(sys.modules[MAIN], "__file__")
    in_session = getattr(function, "__module__", None) == MAIN and at_keyboard
    return "is defined in this session" if in_session else ""
