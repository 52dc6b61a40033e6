"""What is left of `check_journal` where a test puts bytes that no codec reads."""

from __future__ import annotations

import os

from persistq.testing import check_journal

MADE_UP = (
    "cannot be decoded",
    "whose checksum is wrong",
    "have no failure that counts",
    "of another load",
)
"""What a journal leaves to a broker, and these tests do not heed: it takes any bytes, parks without
a failure, and records what a run of one load does to another.
"""


def contradictions(path: str | os.PathLike[str]) -> list[str]:
    """Return in what a journal contradicts itself, whatever its items are."""
    return [p for p in check_journal(path) if not any(words in p for words in MADE_UP)]
