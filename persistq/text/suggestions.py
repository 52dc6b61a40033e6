"""The nearest right word to a wrong one, and functions that offer it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Final, ParamSpec, TypeVar

from persistq import ending
from persistq.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")


NEAR: Final = 0.6
VERY_NEAR: Final = 0.75
"""How alike words are, from 0 to 1, as `difflib` counts it."""


def nearest(word: str, words: Iterable[str], alike: float = NEAR) -> str:
    """Return the nearest of some words; empty if none is near."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(words), n=1, cutoff=alike)), "")


def suggestion(word: str, words: Iterable[str]) -> str:
    """Return ``; did you mean ...?`` with the nearest of some words; empty if none is near."""
    meant = nearest(word, words)
    return f"; did you mean {meant}?" if meant else ""


def options_by_name(
    what: str, further: Iterable[str] = ()
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function so that an option it does not have is answered with the nearest one.

    Args:
        what: What the options are of, for the message.
        further: Options that it takes together, as ``**options``.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        names = [
            name
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind in {parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD}
        ] + list(further)

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            for name in kwargs:
                if name not in names:
                    near = suggestion(name, [one for one in names if one != "self"])
                    # This may be the first thing that a program asks for.
                    ending.install()
                    raise UsageError(f"{what} has no option {name!r}{near}")
            return function(*args, **kwargs)

        return checked

    return decorate
