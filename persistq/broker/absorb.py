"""Absorption: why running the same producing script again doubles nothing.

In a load that is carried on, each item put earlier absorbs one equal put of the program that runs
again; the same value put twice absorbs two, a third is new. Equal means: the same codec and bytes.

A program that runs again mostly puts in the order of the first time, so the put-log is followed in
step: whole blocks are compared as bytes, however its items were cut into blocks. At the first
difference the rest of the log is indexed by digest, on disk, so that memory stays constant however
long it is. What is damaged in the log absorbs nothing: its items come again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING

from persistq.blocks import (
    Block,
    BlockDamaged,
    Slice,
    block_of,
    blocks_of,
    on_terms_of,
    whole,
)
from persistq.broker.body import Body, behind_common, body_of
from persistq.broker.span import Span
from persistq.journal.base import Journal

if TYPE_CHECKING:
    from persistq.journal.digests import Digests

PAGE = 10_000
"""Items of the put-log read at a time."""

PAGE_BYTES = 16 << 20

SPANS = 1000

DIGEST_BYTES = 16


def digest(codec: int, payload: bytes) -> bytes:
    """Return what stands for an item's value in the index."""
    return blake2b(payload, digest_size=DIGEST_BYTES, salt=bytes([codec])).digest()


class Absorber:
    """The multiset of one queue's earlier puts that were not repeated yet.

    Args:
        journal: Where the earlier puts are.
        new_digests: Makes an empty index.
    """

    def __init__(self, journal: Journal, new_digests: Callable[[], Digests]) -> None:
        self._journal = journal
        self._new_digests = new_digests
        self._spans: deque[Span] = deque()
        self._unread: Iterator[Span] = iter(())
        self._log: deque[Body] = deque()
        self._digests: Digests | None = None
        self._indexed = 0

    def expect(self, after: int, last: int) -> None:
        """Add a range of ids whose program has died, so that its puts may come again."""
        if last > after:
            self._spans.append(Span(after, last))

    def expect_all(self, spans: Iterator[Span]) -> None:
        """Add what a source has put, read as far as it is wanted, so that memory stays constant."""
        self._unread = spans
        self._spans += islice(spans, SPANS)

    def __bool__(self) -> bool:
        return bool(self._log or self._spans or self._indexed)

    def admit(self, blocks: Sequence[Block]) -> list[Block]:
        """Return those items that no earlier put absorbs.

        Crash: what is absorbed is scratch; the next run starts again from the whole put-log.

        Raises:
            JournalUnavailable: There is no room for the index.
        """
        return [new for block in blocks for new in self._admit(block)]

    def close(self) -> None:
        """Forget everything."""
        self._spans.clear()
        self._unread = iter(())
        self._log.clear()
        self._forget_index()

    def _admit(self, block: Block) -> list[Block]:
        if not self:
            return [block]
        if self._digests is None and self._follow(block):
            return []
        try:
            payloads = block.payloads()
        except BlockDamaged:
            # It repeats nothing that anybody could read; its consumers will say so.
            return [block]
        done = self._follow_items(block.codec, payloads) if self._digests is None else 0
        new = self._look_up(block.codec, payloads[done:])
        if len(new) == block.count:
            return [block]
        return on_terms_of(block, blocks_of([block.codec] * len(new), new))

    # --- in step ---

    def _follow(self, block: Block) -> bool:
        """Absorb a block whose bytes are the next ones of the log; if not, nothing changes."""
        body, passed = body_of(whole(0, block)), 0
        for known in self._ahead():
            rests = behind_common(body, known)
            if rests is None:
                return False
            body, rest = rests
            passed += not rest.left
            if not body.left:
                self._pass(passed, rest)
                return True
        return False

    def _pass(self, count: int, rest: Body) -> None:
        """Leave so many bodies of the log behind, and go on with the rest of the last, if any."""
        for _ in range(count):
            self._log.popleft()
        if rest.left:
            self._log[0] = rest

    def _follow_items(self, codec: int, payloads: list[bytes]) -> int:
        """Absorb items as long as they come in the order of the log; return how many did."""
        done = 0
        while done < len(payloads) and (known := next(self._ahead(), None)) is not None:
            self._log.popleft()
            expected = _readable(known)
            same = _common(expected, payloads[done:]) if known.block.codec == codec else 0
            done += same
            if same < len(expected):
                rest = block_of(known.block.codec, expected[same:])
                self._log.appendleft(body_of(whole(0, rest)))
                break
        return done

    def _ahead(self) -> Iterator[Body]:
        """Yield what comes next in the log, read as far as it is wanted; all of it is kept."""
        position = 0
        while position < len(self._log) or self._read():
            if position < len(self._log):
                yield self._log[position]
                position += 1

    def _read(self) -> bool:
        """Read more of the log; False if there is no more."""
        if not self._spans:
            return False
        span = self._spans[0]
        page = self._journal.put_page(span.after, span.last, PAGE, PAGE_BYTES)
        if not page or page[-1].ids.last >= span.last:
            self._spans.popleft()
            if not self._spans:
                self._spans += islice(self._unread, SPANS)
        else:
            span.after = page[-1].ids.last
        for part in page:
            self._add(part)
        return True

    def _add(self, part: Slice) -> None:
        try:
            self._log.append(body_of(part))
        except BlockDamaged:
            return

    # --- by digest ---

    def _look_up(self, codec: int, payloads: list[bytes]) -> list[bytes]:
        """Return what the rest of the log, in any order, does not absorb."""
        if not payloads or not self:
            return payloads
        digests = self._index()
        taken = digests.take([digest(codec, payload) for payload in payloads])
        self._indexed -= sum(taken)
        if not self._indexed:
            self._forget_index()
        return [new for new, absorbed in zip(payloads, taken, strict=True) if not absorbed]

    def _index(self) -> Digests:
        """Return an index of all the rest of the log."""
        digests = self._digests = self._digests or self._new_digests()
        while self._log or self._read():
            page = [
                digest(body.block.codec, payload)
                for body in self._log
                for payload in _readable(body)
            ]
            self._log.clear()
            digests.add(page)
            self._indexed += len(page)
        return digests

    def _forget_index(self) -> None:
        if self._digests is not None:
            self._digests.close()
        self._digests, self._indexed = None, 0


def _readable(body: Body) -> list[bytes]:
    """Return the payloads of what is in the log, none if that is damaged."""
    try:
        return body.payloads()
    except BlockDamaged:
        return []


def _common(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    """Return with how many equal items both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))
