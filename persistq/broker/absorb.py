"""Absorption: why running the same producing script again doubles nothing.

In a load that is carried on, each item put earlier absorbs one equal put of the program that runs
again; the same value put twice absorbs two, a third is new. Equal means: the same codec and bytes.

A program that runs again mostly puts in the order of the first time, so the put-log is followed in
step and compared directly. At the first difference the rest of it is indexed by digest, on disk, so
that memory stays constant however long the log is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from hashlib import blake2b

from persistq.broker.lane import Span
from persistq.items import Item
from persistq.journal.base import Journal

PAGE = 2_000
"""Rows of the put-log read at a time."""

PAGE_BYTES = 16 << 20

DIGEST_BYTES = 16


def digest(codec: int, payload: bytes) -> bytes:
    """Return what stands for an item's value in the index."""
    return blake2b(payload, digest_size=DIGEST_BYTES, salt=bytes([codec])).digest()


class Absorber:
    """The multiset of one queue's earlier puts that were not repeated yet.

    Args:
        journal: Where the earlier puts are.
        queue_id: The queue.
    """

    def __init__(self, journal: Journal, queue_id: int) -> None:
        self._journal = journal
        self._queue_id = queue_id
        self._spans: deque[Span] = deque()
        self._page: deque[Item] = deque()
        self._indexed: int | None = None

    def expect(self, after: int, last: int) -> None:
        """Add a range of ids whose program has died, so that its puts may come again."""
        if last > after:
            self._spans.append(Span(after, last))

    def __bool__(self) -> bool:
        return bool(self._page or self._spans or self._indexed)

    def admit(self, codecs: bytes, payloads: list[bytes]) -> tuple[bytes, list[bytes]]:
        """Return those items that no earlier put absorbs.

        Crash: what is absorbed is scratch; the next run starts again from the whole put-log.
        """
        done = 0 if self._indexed is not None else self._follow(codecs, payloads)
        rest = codecs[done:], payloads[done:]
        if not payloads[done:] or not self:
            return rest
        return self._look_up(*rest)

    # --- in step ---

    def _follow(self, codecs: bytes, payloads: list[bytes]) -> int:
        """Match puts with the log as long as they come in its order; return how many did."""
        for position, (codec, payload) in enumerate(zip(codecs, payloads, strict=True)):
            expected = self._next_expected()
            if expected is None or (expected.codec, expected.payload) != (codec, payload):
                return position
            self._page.popleft()
        return len(payloads)

    def _next_expected(self) -> Item | None:
        while not self._page and self._spans:
            self._page.extend(self._read_page())
        return self._page[0] if self._page else None

    def _read_page(self) -> list[Item]:
        span = self._spans[0]
        page = self._journal.put_page(span.after, span.last, PAGE, PAGE_BYTES)
        if not page or page[-1].item_id >= span.last:
            self._spans.popleft()
        else:
            span.after = page[-1].item_id
        return page

    # --- by digest ---

    def _look_up(self, codecs: bytes, payloads: list[bytes]) -> tuple[bytes, list[bytes]]:
        self._index_rest()
        digests = [digest(*pair) for pair in zip(codecs, payloads, strict=True)]
        taken = self._journal.take_digests(self._queue_id, digests)
        self._indexed = (self._indexed or 0) - sum(taken)
        new = [position for position, absorbed in enumerate(taken) if not absorbed]
        return bytes(codecs[position] for position in new), [payloads[p] for p in new]

    def _index_rest(self) -> None:
        if self._indexed is None:
            self._journal.clear_digests(self._queue_id)
            self._indexed = 0
        for page in self._remaining_pages():
            self._journal.add_digests(
                self._queue_id, [digest(item.codec, item.payload) for item in page]
            )
            self._indexed += len(page)

    def _remaining_pages(self) -> Iterator[list[Item]]:
        if self._page:
            yield list(self._page)
            self._page.clear()
        while self._spans:
            yield self._read_page()
