"""How far a source has come, as it is kept and given back to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from persistq.blocks import Block, BlockDamaged, block_of
from persistq.codec import ItemCodec
from persistq.errors import ItemNotReadable, UsageError


class CursorNotReadable(UsageError):
    """A cursor cannot be turned back into the source's own value in this process."""


@dataclass(frozen=True, slots=True)
class Cursors:
    """The cursors of one source.

    Attributes:
        source: The source's name.
        codec: Encodes and decodes them.
    """

    source: str
    codec: ItemCodec

    def block(self, cursor: Any) -> Block:
        """Return a cursor as a block of one.

        Raises:
            ItemNotStorable: It cannot be encoded.
        """
        number, payload = self.codec.encode(cursor)
        return block_of(number, [payload])

    def value(self, block: Block | None) -> Any:
        """Return the source's own value; None if there is no block.

        Raises:
            CursorNotReadable: It cannot be decoded here.
        """
        if block is None:
            return None
        try:
            [payload] = block.payloads()
            return self.codec.decode(0, block.codec, payload)
        except (BlockDamaged, ItemNotReadable) as error:
            why = error.reason if isinstance(error, ItemNotReadable) else str(error)
            raise CursorNotReadable(
                f"the cursor of source {self.source!r} cannot be read: {why}; begin anew with "
                "--fresh (fresh=True)"
            ) from error
