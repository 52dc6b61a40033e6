"""What a planted bug is."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One planted bug.

    Attributes:
        name: What is wrong with it.
        file: The source file.
        old: A piece of it that occurs once.
        new: What takes its place.
        caught_by: Tests of which at least one must fail.
    """

    name: str
    file: str
    old: str
    new: str
    caught_by: tuple[str, ...]
