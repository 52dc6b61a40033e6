"""One value, as somebody wrote it, becomes one of the type that its field has."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import msgspec

from persistq.fields import Field
from persistq.settings.wording import wanted


def converted(field: Field, value: Any, *, written: bool) -> Any:
    """Return a value as its field has it.

    Args:
        field: The field.
        value: What was given.
        written: Whether it is a text that stands for a value, as it does in a variable. What comes
            from code or TOML has a type of its own, and text is no number there.

    Raises:
        ValueError: It can be no value of the field; what it should be, in words.
    """
    given = value if field.rule is None else field.rule.read(value)
    refusals = []
    for read in _READINGS_OF_TEXT if written else _READINGS:
        try:
            return _of_type(field.type, read(given), strict=not written)
        except (msgspec.MsgspecError, ValueError, LookupError) as error:
            refusals.append(error)
    telling = refusals[-1] if written and _looks_like_json(given) else refusals[0]
    raise ValueError(wanted(field, str(telling), written=written))


def _of_type(kind: Any, value: Any, *, strict: bool) -> Any:
    found = msgspec.convert(value, kind, strict=strict, dec_hook=_made)
    if isinstance(found, float) and not math.isfinite(found):
        raise ValueError("it is no finite number")
    return found


def _made(kind: Any, value: Any) -> Any:
    """Return an object of a type that msgspec does not know, such as `Path` or a pydantic model."""
    make = getattr(kind, "model_validate", kind)
    return make(value)


# --- readings -------------------------------------------------------------------------------------


def _itself(value: Any) -> Any:
    return value


def _whole(value: Any) -> int:
    """Read ``1e9`` as the whole number that Python has no way to write so."""
    if not isinstance(value, float) or not value.is_integer():
        raise ValueError("it is no whole number")
    return int(value)


_WORDS: Final = {"yes": True, "on": True, "no": False, "off": False}


def _word(text: str) -> bool:
    return _WORDS[text.strip().lower()]


def _number(text: str) -> float:
    """Read a number as Python writes it, with underscores, and with space around it."""
    try:
        return int(text)
    except ValueError:
        return float(text)


def _json(text: str) -> Any:
    if not _looks_like_json(text):
        raise ValueError("it is no JSON object or list")
    return msgspec.json.decode(text)


def _looks_like_json(text: str) -> bool:
    return text.lstrip()[:1] in {"{", "["}


_READINGS: Final[tuple[Callable[[Any], Any], ...]] = (_itself, _whole)
_READINGS_OF_TEXT: Final[tuple[Callable[[Any], Any], ...]] = (_itself, _word, _number, _json)
"""The first that gives a value of the wanted type is what was meant, so a text stays a text."""
