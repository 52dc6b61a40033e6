"""The form in which objects of one type are stored as JSON."""

from __future__ import annotations

import re
from contextlib import suppress
from enum import Flag
from typing import TYPE_CHECKING, Any, Final

import msgspec

from persistq.pipeline.fieldorder import put_in_order
from persistq.pipeline.models import BREAK, is_model, values_of
from persistq.pipeline.plainforms import given, is_known, plain, plainer, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT: Final = re.compile(r"(?P<what>.*?)(?: - at `(?P<place>[^`]*)`)?", re.DOTALL)


class JsonForm:
    """Writes and reads objects of one type as JSON.

    Equal objects have equal bytes: fields are in the order of their declaration, keys of dicts and
    members of sets are sorted.

    Args:
        annotation: The type.
        ordered: Whether msgspec knows the order of all fields.
    """

    def __init__(self, annotation: Any, *, ordered: bool) -> None:
        self._annotation = annotation
        self._ordered = ordered
        self._encode = msgspec.json.Encoder(enc_hook=plain, order="deterministic").encode
        self.decode = msgspec.json.Decoder(annotation, dec_hook=stored).decode

    def encoded(self, item: Any) -> tuple[bytes, Any]:
        """Return an object as JSON, and the object that is read from that.

        Raises:
            Exception: It is wrong, or has in it what JSON cannot hold.
        """
        rebuilt = self.decode(self._encode(item))
        if not self._ordered:
            put_in_order(rebuilt)
        return self._encode(rebuilt), rebuilt

    def of_values(self, values: Any) -> Any:
        """Return the object of what has been read from JSON.

        Raises:
            ValueError: It is wrong.
        """
        return msgspec.convert(values, self._annotation, dec_hook=stored, str_keys=True)

    def of_given(self, value: Any) -> Any:
        """Return the object that a program gives, or what it gives for one.

        Raises:
            ValueError: It is wrong.
        """
        try:
            return msgspec.convert(value, self._annotation, dec_hook=given)
        except ValueError:
            # An Enum's member within a dict, for example.
            return msgspec.convert(plainer(value), self._annotation, dec_hook=given)

    def check(self, item: Any) -> None:
        """Look at each part of an object, also where JSON has nothing for it.

        Raises:
            ValueError: It is wrong.
        """
        strangers: list[str] = []

        def form(value: Any) -> Any:
            if is_model(type(value)):
                return values_of(value)
            try:
                return plain(value)
            except TypeError:
                strangers.append(type(value).__qualname__)
                return {}

        values = msgspec.to_builtins(item, enc_hook=form)
        try:
            self._check(values)
        except ValueError as error:
            if len(strangers) != 1:
                raise
            raise ValueError(str(error).replace("got `object`", f"got `{strangers[0]}`")) from error

    def _check(self, values: Any) -> None:
        try:
            msgspec.convert(values, self._annotation, dec_hook=stored)
        except ValueError as error:
            # Models may well hold a number that JSON has not.
            with suppress(ValueError):
                msgspec.convert(values, self._annotation, dec_hook=given)
                return
            raise error from None


def form_of(annotation: Any) -> JsonForm | None:
    """Return the form of a type; None if JSON cannot hold all that it has, as with an array."""
    from msgspec import inspect

    try:
        nodes = [*_nodes(inspect.type_info(annotation), set())]
        ordered = not any(isinstance(node, inspect.DataclassType) for node in nodes)
        form = JsonForm(annotation, ordered=ordered)
        return form if all(map(_is_held, nodes)) else None
    except Exception:  # noqa: BLE001 - of a type that it does not know, msgspec may raise anything
        return None


def _is_held(node: Any) -> bool:
    """Return whether JSON has a form of what is described: arrays, and several flags, have none."""
    kind = getattr(node, "cls", object)
    if type(node).__name__ == "CustomType":
        return is_known(kind)
    return not issubclass(kind, Flag)


def wrong(error: BaseException) -> str:
    """Return what is wrong with an object, the place first, as in ``$.price: Expected float``."""
    found = _AT.fullmatch(str(error))
    what, place = (found["what"], found["place"] or "$") if found else (str(error), "$")
    inner, parted, rest = what.partition(BREAK)
    place, what = (place + inner, rest) if parted else (place, what)
    what = what.replace("`", "")
    return what if place == "$" else f"`{place}`: {what}"


def _nodes(node: Any, seen: set[int]) -> Iterator[Any]:
    """Yield a description of a type and all descriptions in it, each once: it may hold itself."""
    if isinstance(node, tuple):
        for part in node:
            yield from _nodes(part, seen)
    elif type(node).__module__ == "msgspec.inspect" and id(node) not in seen:
        seen.add(id(node))
        yield node
        for name in node.__struct_fields__:
            yield from _nodes(getattr(node, name), seen)
