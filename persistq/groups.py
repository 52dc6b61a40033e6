"""Groups: which items belong together, written into each by whoever puts it.

The broker runs no code of the user's, so it cannot ask to which group an item belongs. The process
that puts an item asks, and stores the answer with it: as a JSON array of the answer and the item,
or, before a pickle, as a MessagePack array of both. So a broker that carries a load on finds the
groups again by reading the items.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import msgspec

from persistq.blocks import GROUPED, is_json
from persistq.errors import UsageError

if TYPE_CHECKING:
    from persistq.blocks import Slice

KEY_MAX: Final = 64
"""Longer keys are stored as their digest."""

LAST: Final = -1
"""Size of a group that the item it is written in completes."""


class Mark(NamedTuple):
    """What is stored with an item of a stage that groups.

    Attributes:
        key: The group's key as JSON text, or its digest.
        size: How many members the group has; 0 if the item does not tell, `LAST` if it is the last.
        member: Which member the item is, as the key is stored; empty if each item is one.
    """

    key: str
    size: int
    member: str


class Encodes(Protocol):
    """Encodes items."""

    def encode(self, value: object) -> tuple[int, bytes]:
        """Return a codec's number and a payload."""


_JSON_PAIR: Final = msgspec.json.Decoder(tuple[Mark, msgspec.Raw])
_PICKLE_PAIR: Final = msgspec.msgpack.Decoder(tuple[Mark, bytes])
_as_json: Final = msgspec.json.Encoder().encode
_as_array: Final = msgspec.msgpack.Encoder().encode


def marked(mark: Mark, codec: int, payload: bytes) -> tuple[int, bytes]:
    """Return an encoded item with its mark: the codec's number and the payload."""
    if is_json(codec):
        return codec | GROUPED, b"[" + _as_json(mark) + b"," + payload + b"]"
    return codec | GROUPED, _as_array([mark, payload])


def unmarked(codec: int, payload: bytes) -> tuple[Mark | None, int, bytes]:
    """Return an encoded item's mark, None if it has none, and the item without it.

    Raises:
        ValueError: The bytes are not what their codec says.
    """
    if codec < 0 or not codec & GROUPED:
        return None, codec, payload
    pair = _JSON_PAIR if is_json(codec) else _PICKLE_PAIR
    try:
        mark, inner = pair.decode(payload)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return mark, codec & ~GROUPED, bytes(inner)


def marks_of(part: Slice) -> list[Mark | None]:
    """Return the marks of items.

    Raises:
        ValueError: Their block is damaged.
    """
    payloads = part.block.payloads()[part.start : part.stop]
    return [unmarked(part.block.codec, payload)[0] for payload in payloads]


def named(value: Any) -> str:
    """Return a key, or the name of a member, as it is stored; equal values have equal ones.

    Raises:
        UsageError: It is no text, whole number, or tuple or list of such.
    """
    if not _is_simple(value):
        raise UsageError(
            f"{value!r} is no key of a group: give a text, a whole number, or a tuple of such"
        )
    text = _as_json(value)
    return text.decode() if len(text) <= KEY_MAX else blake2b(text, digest_size=16).hexdigest()


def _is_simple(value: Any) -> bool:
    if type(value) in {tuple, list}:
        return all(map(_is_simple, value))
    return type(value) in {str, int, bool, type(None)}


Said = Callable[[Any], Any] | str
"""What tells something of an item: a function, or the name of a field or attribute."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """How the items of a stage belong together.

    Attributes:
        stage: The stage.
        by: Tells the key of an item's group.
        size: Tells how many items the group has, or is that number.
        member: Tells which member of the group an item is.
        members: Tells which members there are.
        last: Tells whether an item is the last of its group.
        item: Makes an item of what is put, where that may be something plainer.
    """

    stage: str
    by: Said
    size: Said | int | None = None
    member: Said | None = None
    members: Said | None = None
    last: Said | None = None
    item: Callable[[Any], Any] | None = None

    def mark(self, item: Any) -> Mark:
        """Return what is stored with an item.

        Raises:
            UsageError: What is said of it is no key, no size or no member.
            Exception: Whatever a function of the user's raises.
        """
        if self.item is not None:
            item = self.item(item)
        key = named(_told(self.by, item))
        if self.members is not None and self.member is not None:
            return self._member(key, item)
        if self.last is not None:
            return Mark(key, LAST if _told(self.last, item) else 0, "")
        size = self.size if isinstance(self.size, int) else _told(self.size or "", item)
        if type(size) is not int or size < 1:
            raise UsageError(f"stage {self.stage!r}: group_size={size!r} is no size of a group")
        return Mark(key, size, "")

    def _member(self, key: str, item: Any) -> Mark:
        members = _told(self.members or "", item)
        member = _told(self.member or "", item)
        if not isinstance(members, Collection) or isinstance(members, str | bytes):
            raise UsageError(f"stage {self.stage!r}: members= gives {members!r}, which is no set")
        if member not in members:
            raise UsageError(
                f"stage {self.stage!r}: {member!r} is no member of its group {members!r}"
            )
        return Mark(key, len({named(one) for one in members}), named(member))


def _told(said: Said, item: Any) -> Any:
    if callable(said):
        return said(item)
    return item[said] if isinstance(item, Mapping) else getattr(item, said)


class MarkingCodec:
    """Encodes the items of a stage that groups.

    Args:
        codec: Encodes items.
        grouping: Tells to which group each belongs.
    """

    def __init__(self, codec: Encodes, grouping: Grouping) -> None:
        self._codec = codec
        self._grouping = grouping

    def encode(self, value: object) -> tuple[int, bytes]:
        """Return a codec's number and a payload.

        Raises:
            ItemNotStorable: The value cannot be encoded.
            UsageError: It belongs to no group.
        """
        encoded = self._codec.encode(value)
        return marked(self._grouping.mark(value), *encoded)
