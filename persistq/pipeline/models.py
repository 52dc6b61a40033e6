"""Models of pydantic as items."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

BREAK = "\0"
"""Parts the place of an error within a model from what is wrong there."""


def is_model(kind: type) -> bool:
    """Return whether a class is a model of pydantic."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(kind, pydantic.BaseModel)


def text_of(model: Any) -> msgspec.Raw:
    """Return a model as JSON, its fields in the order of their declaration."""
    text: str = model.model_dump_json(round_trip=True, by_alias=True, warnings=False)
    return msgspec.Raw(text.encode())


def values_of(model: Any) -> Any:
    """Return a model as the values that JSON has, also those that only text of JSON cannot hold."""
    return model.model_dump(mode="json", round_trip=True, by_alias=True, warnings=False)


def model_of(kind: Any, values: Any) -> Any:
    """Return the model of what a program has given for one.

    Raises:
        ValueError: It is wrong: the place, `BREAK` and what is wrong there.
    """
    return _checked(kind.model_validate, values)


def model_in(kind: Any, values: Any) -> Any:
    """Return the model of what JSON says, where a strict one takes the text of a date for a date.

    Raises:
        ValueError: It is wrong: the place, `BREAK` and what is wrong there.
    """
    return _checked(kind.model_validate_json, msgspec.json.encode(values))


def _checked(validate: Any, values: Any) -> Any:
    from pydantic import ValidationError

    try:
        return validate(values)
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False, include_context=False, include_input=False)
        raise ValueError(f"{_place(first['loc'])}{BREAK}{first['msg']}") from error


def _place(location: Any) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
