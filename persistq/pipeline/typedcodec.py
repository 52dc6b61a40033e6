"""Encodes and decodes the items of a stage whose handler says what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from persistq.blocks import GROUPED
from persistq.codec import VALUE, Codec
from persistq.errors import ItemNotReadable, ItemNotValid
from persistq.groups import unmarked
from persistq.items import Sentinel

if TYPE_CHECKING:
    from persistq.codec import ItemCodec
    from persistq.pipeline.itemtype import ItemType

_JSON: Final = int(Codec.JSON)


class TypedCodec:
    """Encodes and decodes items of one type: as JSON, if that holds them.

    Args:
        codec: Does so where JSON would lose something, under the rules of the pipeline.
        type: What they are.
    """

    def __init__(self, codec: ItemCodec, type: ItemType) -> None:  # noqa: A002 - no better word
        self._codec = codec
        self._type = type

    def encode(self, value: Any) -> tuple[int, bytes]:
        """Encode an item, or plain values that make one.

        Returns:
            The codec's number and the payload.

        Raises:
            ItemNotValid: It is not of the type.
            ItemNotStorable: It cannot be encoded under the pipeline's rules, or is too large.
            UsageError: It is one of the two ends of a queue, and no item.
        """
        if isinstance(value, Sentinel):
            return self._codec.encode(value)
        item = self._type.item(value)
        payload = self._type.encoded(item)
        if payload is None or self._codec.name == "pickle":
            return self._codec.encode(item)
        return _JSON, self._codec.measured(item, payload)

    def decode(self, item_id: int, codec: int, payload: Any) -> Any:
        """Rebuild an item.

        Args:
            item_id: The item, for messages.
            codec: As for `persistq.codec.ItemCodec.decode`.
            payload: The same.

        Raises:
            ItemNotValid: What is stored is not of the type: it was edited, or the type has changed.
            ItemNotReadable: It cannot be decoded here.
        """
        try:
            if codec == _JSON:
                return self._type.decoded(payload)
            if codec == VALUE:
                return self._type.rebuilt(payload)
            if codec > 0 and codec & GROUPED:
                _, codec, payload = unmarked(codec, payload)
                return self.decode(item_id, codec, payload)
            return self._type.item(self._codec.decode(item_id, codec, payload))
        except (ItemNotReadable, ItemNotValid):
            raise
        except Exception as error:  # the classes of items run code of the user's
            raise ItemNotReadable(item_id, f"{type(error).__name__}: {error}") from error
