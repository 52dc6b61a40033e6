"""Natural keys: what of an item says which items are the same, and its digest.

A key is a value of a simple type, or several of them. It is encoded in one way only and never by
pickle, so it stays the same when a dataclass gets a field or a module another name.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from persistq.blocks import DIGEST_BYTES
from persistq.errors import KeyNotUsable
from persistq.text.terminal import shown

if TYPE_CHECKING:
    from persistq.groups import Encodes

KeyOption = str | Callable[[Any], Any]
"""What ``key=`` takes: the name of a field, or a function of an item."""

_DEPTH_MAX: Final = 8

_KINDS: Final = (
    "text, bytes, a path, a number, a date, a UUID, an Enum of these, or a tuple of such values"
)


@dataclass(frozen=True, slots=True)
class NaturalKey:
    """Says which items are the same.

    Args:
        option: The name of a field (a key of a dict, or else an attribute), or a function of an
            item.
        what: Whose key it is, for messages.
        item: Makes an item of what is put, where that may be something plainer.
    """

    option: KeyOption
    what: str
    item: Callable[[Any], Any] | None = None

    def digest(self, item: Any) -> bytes:
        """Return the digest of an item's key, `DIGEST_BYTES` long.

        Raises:
            KeyNotUsable: The item has no such field, the function has raised, or what it has
                returned is no key.
        """
        try:
            key = self._of(item)
        except Exception as error:  # the function is the user's
            raise self._refused(item, f"{type(error).__qualname__}: {error}") from error
        try:
            found = canonical(key)
        except (TypeError, ValueError) as error:
            raise self._refused(item, str(error)) from error
        return blake2b(found, digest_size=DIGEST_BYTES).digest()

    def _of(self, item: Any) -> Any:
        option = self.option
        if self.item is not None:
            item = self.item(item)
        if not isinstance(option, str):
            return option(item)
        return item[option] if isinstance(item, Mapping) else getattr(item, option)

    def _refused(self, item: Any, reason: str) -> KeyNotUsable:
        return KeyNotUsable(self.what, shown(item), reason)


@dataclass(frozen=True, slots=True)
class KeyedCodec:
    """Encodes items together with the digests of their natural keys.

    Args:
        codec: Encodes the items.
        key: Says which are the same.
    """

    codec: Encodes
    key: NaturalKey

    def encode(self, value: Any) -> tuple[int, bytes, bytes]:
        """Return an item encoded: the codec's number, the payload and the digest.

        Raises:
            ItemNotStorable: It cannot be encoded.
            KeyNotUsable: It has no key.
        """
        return (*self.codec.encode(value), self.key.digest(value))


def canonical(key: Any) -> bytes:
    """Return the one encoding of a key: different for values of different kinds.

    ``1`` and ``"1"`` are different keys, ``1``, ``1.0`` and ``True`` as well; a path is its text.

    Raises:
        TypeError: It is no key.
        ValueError: It is None or not a number, or tuples in tuples in tuples.
    """
    if type(key) is str:
        return b"s" + key.encode("utf-8", "surrogatepass")
    if key is None:
        raise ValueError("it is None, and all items without a key would be the same one")
    return _encoded(key, _DEPTH_MAX)


def _encoded(key: Any, depth: int) -> bytes:
    if isinstance(key, tuple | list):
        return _of_several(key, depth)
    if isinstance(key, Enum) and not isinstance(key, str | int):
        return _encoded(key.value, depth)
    for kind, encode in _ENCODERS:
        if isinstance(key, kind):
            return encode(key)
    raise TypeError(f"a key is {_KINDS}, and this is of type {type(key).__qualname__}")


def _of_several(keys: tuple[Any, ...] | list[Any], depth: int) -> bytes:
    if not depth:
        raise ValueError("it is nested too deeply")
    parts = [_encoded(part, depth - 1) for part in keys]
    return b"(" + b"".join(b"%d:" % len(part) + part for part in parts)


def _text(key: Any) -> bytes:
    return b"s" + str.encode(key, "utf-8", "surrogatepass")


def _path(key: os.PathLike[Any]) -> bytes:
    found = os.fspath(key)
    return b"y" + found if isinstance(found, bytes) else _text(found)


def _float(key: float) -> bytes:
    if math.isnan(key):
        raise ValueError("it is not a number (NaN), which does not even equal itself")
    return b"d" + struct.pack(">d", key or 0.0)


def _decimal(key: Decimal) -> bytes:
    if not key.is_finite():
        raise ValueError(f"it is {key}, which is no number")
    # Digits and exponent without trailing zeros, whatever the context says of precision.
    sign, digits, exponent = key.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    shortened = text.rstrip("0")
    assert isinstance(exponent, int)
    power = exponent + len(text) - len(shortened) if shortened else 0
    return b"m%d:%s:%d" % (sign and bool(shortened), shortened.encode(), power)


def _moment(key: datetime) -> bytes:
    return b"T" + (key if key.tzinfo is None else key.astimezone(UTC)).isoformat().encode()


_ENCODERS: Final[tuple[tuple[type, Callable[[Any], bytes]], ...]] = (
    (str, _text),
    (bool, lambda key: b"t" if key else b"f"),
    (int, lambda key: b"i%d" % int(key)),
    (bytes, lambda key: b"y" + key),
    (float, _float),
    (type(None), lambda _: b"n"),
    (datetime, _moment),
    (date, lambda key: b"D" + key.isoformat().encode()),
    (Decimal, _decimal),
    (UUID, lambda key: b"u" + key.bytes),
    (os.PathLike, _path),
)
