"""Large items, each of which can be told from the others."""

from __future__ import annotations

import os
from collections.abc import Iterator

_NUMBER = 8


def blob(size: int) -> bytes:
    """Return random bytes, which nothing can compress, without the item's number."""
    return os.urandom(size - _NUMBER)


def blobs(items: int, body: bytes) -> Iterator[bytes]:
    """Yield so many items."""
    return (item.to_bytes(_NUMBER, "little") + body for item in range(items))


def item_of(item: bytes) -> int:
    """Return the number of an item."""
    return int.from_bytes(item[:_NUMBER], "little")
