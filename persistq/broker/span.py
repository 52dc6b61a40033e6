"""A part of a queue's put-log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Span:
    """A range of ids in the put-log: ``after < id <= last``.

    ``untouched`` says that none of them was ever handed out, so that all are outstanding.
    """

    after: int
    last: int
    untouched: bool = False
