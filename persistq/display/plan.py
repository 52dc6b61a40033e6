"""What a display knows of a load beforehand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from persistq.wire.messages import QueueSizes


class StagePlan(NamedTuple):
    """How a stage is worked on, and where its items come from.

    Attributes:
        hands: How many items it works on at the same time, over all its workers.
        calls: How many items it may begin in a second.
        feeders: The queues whose stages feed it.
        open: Whether more may come to it than those make of what they have: of a source, or of a
            stage behind it.
        hook: Whether it is a hook, which is no stage of the program's.
    """

    hands: int = 1
    calls: float = math.inf
    feeders: tuple[int, ...] = ()
    open: bool = True
    hook: bool = False


class LoadPlan(NamedTuple):
    """A load that is about to be worked on.

    Attributes:
        name: Its name.
        load_id: Its number in the journal.
        queues: Its stages as this run has found them, in their order.
        stages: What is known of each stage, by its queue.
    """

    name: str
    load_id: int
    queues: Sequence[QueueSizes]
    stages: Mapping[int, StagePlan]
