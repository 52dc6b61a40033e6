"""The set of digests that a broker knows, against a set of Python's."""

from __future__ import annotations

from contextlib import closing
from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from persistq.broker.digestset import DigestSet


def digest(number: int) -> bytes:
    """Return a digest; those of a few numbers meet in the table's first slots."""
    spread = blake2b(b"%d" % number, digest_size=16).digest()
    return bytes([number & 3, *bytes(7)]) + spread[8:] if number < 40 else spread


@given(st.lists(st.lists(st.integers(0, 60), max_size=20), max_size=20))
def test_it_is_a_set(batches: list[list[int]]) -> None:
    """Also where digests meet in one slot, and where one comes twice in a batch."""
    model: set[int] = set()
    with closing(DigestSet()) as known:
        for batch in batches:
            joined = b"".join(map(digest, batch))
            assert known.find(joined) == [n for n, one in enumerate(batch) if one in model]
            again = [n for n, one in enumerate(batch) if one in model or one in batch[:n]]
            assert known.add(joined) == again
            model |= {*batch}
            assert len(known) == len(model)


def test_it_grows_and_forgets_nothing() -> None:
    """A table of 4,096 slots is full at half of these."""
    everything = b"".join(map(digest, range(20_000)))
    with closing(DigestSet()) as known:
        assert known.add(everything) == []
        assert known.find(everything) == [*range(20_000)]
        assert known.find(digest(20_000)) == []
