"""How far a long item has come: recorded at once, for the next attempt at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persistq.blocks import BlockDamaged, block_of
from persistq.errors import ItemNotReadable

if TYPE_CHECKING:
    from persistq.channel import Channel
    from persistq.codec import ItemCodec


class Checkpoints:
    """The checkpoints of a stage's items, in one of its processes.

    Args:
        channel: Where they are recorded.
        codec: Encodes and decodes them, as items.
    """

    __slots__ = ("_channel", "_codec")

    def __init__(self, channel: Channel, codec: ItemCodec) -> None:
        self._channel = channel
        self._codec = codec

    def record(self, item_id: int, value: Any) -> None:
        """Record a value for an item; it is on disk when this returns.

        Crash: this value is the last one, or that before.

        Raises:
            ItemNotStorable: It cannot be encoded.
        """
        codec, payload = self._codec.encode(value)
        self._channel.checkpoint(item_id, block_of(codec, [payload]))

    def last(self, item_id: int) -> Any:
        """Return the last value that was recorded for an item, None if there is none.

        Raises:
            ItemNotReadable: It cannot be decoded here.
        """
        if (block := self._channel.last_checkpoint(item_id)) is None:
            return None
        try:
            [payload] = block.payloads()
        except BlockDamaged as error:
            raise ItemNotReadable(item_id, f"its last checkpoint: {error}") from error
        return self._codec.decode(item_id, block.codec, payload)
