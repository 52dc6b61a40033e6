"""Ways from one stage of a load to another."""

from __future__ import annotations

import enum
from typing import NamedTuple


class RouteKind(enum.StrEnum):
    """Why a stage is behind another one; the texts are stored in the journal."""

    FEEDS = "feeds"
    """It gets what the other one makes."""
    PUTS = "puts"
    """It gets some of that, and leads back to the other one, or is it."""
    ENDS = "ends"
    """It begins when the other one has come to its end, and gets nothing of it."""
    KEEPS = "keeps"
    """It gets what the other one makes, which is kept as results, and is no stage of work."""
    PASSES = "passes"
    """It gets the items of the other one themselves, each when that is done with it."""


class Route(NamedTuple):
    """A way from one stage of a load to another, or back to itself.

    Attributes:
        queue_id: The stage.
        target_id: The one behind it.
        kind: Why that is behind it.
    """

    queue_id: int
    target_id: int
    kind: RouteKind
