"""The characters that a display is drawn with, for terminals that know UTF-8 and for others."""

from __future__ import annotations

from typing import Final, NamedTuple


class Glyphs(NamedTuple):
    """Characters of one cell each.

    Attributes:
        before: Of a bar, what was done before this run.
        now: What was done in it.
        failed: What is parked.
        rest: What is left.
        unknown: What is left, if more may come.
        cut: Where a text is cut.
        between: Between two facts.
        micro: The sign for a millionth.
    """

    before: str
    now: str
    failed: str
    rest: str
    unknown: str
    cut: str
    between: str
    micro: str


FULL: Final = Glyphs("▓", "█", "▒", "░", "·", "…", "·", "µ")
ASCII: Final = Glyphs("=", "#", "!", "-", ".", "~", "|", "u")
