"""What the other loads of a journal have left, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

LOADS_SHOWN: Final = 5
"""Loads that are named in a sentence; the latest ones."""


class Leftover(Protocol):
    """A load with parked or outstanding items."""

    @property
    def load_id(self) -> int:
        """The load."""

    @property
    def parked(self) -> int:
        """Its parked items."""

    @property
    def outstanding(self) -> int:
        """Its outstanding items."""


def left_over(left: Sequence[Leftover]) -> str:
    """Return what loads have left, such as ``3 parked (loads 1, 2)``; nothing for no loads."""
    parked = [it for it in left if it.parked]
    outstanding = [it for it in left if it.outstanding]
    parts = []
    if parked:
        parts.append(f"{sum(it.parked for it in parked):,} parked ({_loads(parked)})")
    if outstanding:
        count = sum(it.outstanding for it in outstanding)
        parts.append(f"{count:,} outstanding ({_loads(outstanding)})")
    return " and ".join(parts)


def _loads(left: Sequence[Leftover]) -> str:
    shown = [str(it.load_id) for it in left[-LOADS_SHOWN:]]
    more = ["..."] if len(left) > len(shown) else []
    return f"load{'s' if len(left) > 1 else ''} {', '.join([*more, *shown])}"
