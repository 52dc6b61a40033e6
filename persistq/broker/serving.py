"""What one consumer is handed of a lane when it has asked; pure, as the lane is.

Quick items go in bulk, slow ones one by one, and near the end everybody gets a fair part.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING

from persistq.blocks import Slice, count_of
from persistq.broker.capacity import room_in
from persistq.broker.window import Window, attempt_sizes, sifted

if TYPE_CHECKING:
    from persistq.broker.gathering import Gathering
    from persistq.broker.lane import Lane


def next_window(
    lane: Lane,
    *,
    seconds: float,
    most: int,
    idle: bool,
    together: int = 1,
    room: int = 0,
    now: float = inf,
) -> Window:
    """Take the items for one consumer out of the line.

    Args:
        lane: Its queue.
        seconds: How much expected work to hand out.
        most: Most items to hand out.
        idle: Whether the consumer holds nothing. It is given a suspect first, alone; another
            one gets it only if nobody is left who could come for it with empty hands.
        together: Most items that the consumer begins together. What is there is handed out,
            be it more than would be fair; if batches are to be filled, only full ones, or all
            that is there if none is and the first has waited long enough.
        room: How many items the consumer would begin at once, beside those that it works on.
        now: The present time.
    """
    free = room_in(lane.downstream)
    if lane.rest.holds or lane.is_early or not free:
        return Window([], 0)
    if lane.meter is None:
        return _window(lane, seconds, min(most, free), idle, together, room, now)
    # What waits in somebody's hands would begin when nobody measures.
    begun = room or idle
    most = min(most, free, lane.meter.allowed * together, room or most) if begun else 0
    window = _window(lane, seconds, most, idle, together, room, now) if most else Window([], 0)
    lane.meter.spend(window.attempts)
    return window


def _window(
    lane: Lane, seconds: float, most: int, idle: bool, together: int, room: int, now: float
) -> Window:
    """Take items out of the line, of which so many may be handed out."""
    if lane.rest.probing:
        return _probe(lane) if idle else Window([], 0)
    if lane.gathering is not None:
        return _group(lane.gathering)
    if lane.suspects and (idle or (lane.stuck and not lane.ready and lane.deadlocked)):
        return lane.suspects.next(together)
    if lane.must_wait(now):
        return Window([], 0)
    there = lane.ready.count + (0 if lane.ranking is None else lane.ranking.count)
    fair = there // (2 * max(lane.consumers, 1))
    most = 1 if lane.bounded else most
    count = max(1, min(max(lane.pace.items_in(seconds), room), most, fair))
    if together > 1:
        count = max(together, count - count % together)
    if lane.filling is not None:
        count = lane.filling.count(lane.ready, count)
    exactly = together > 1 or lane.meter is not None or count <= room
    slices = lane.ready.take(count, exactly=exactly)
    taken = count_of(slices)
    lane.retries.have_left(taken, lane.ready.count)
    if room and lane.apart:
        return _without_suspects(lane, slices, idle)
    sizes = attempt_sizes(slices, together, lane.apart) if together > 1 else ()
    return Window(slices, taken, sizes)


def _without_suspects(lane: Lane, slices: Sequence[Slice], idle: bool) -> Window:
    """Keep back what has died in company in an earlier run: it goes first, and alone."""
    alone, others = sifted(slices, lane.apart)
    lane.suspects.take_apart(alone)
    if not others and lane.suspects and idle:
        return lane.suspects.next(1)
    return Window(others, count_of(others))


def _probe(lane: Lane) -> Window:
    """Take one item out of the line, by which is seen whether the stage can go on."""
    if lane.gathering is not None:
        window = _group(lane.gathering)
    elif lane.suspects:
        window = lane.suspects.next(1)
    else:
        slices = lane.ready.take(1, exactly=True)
        window = Window(slices, count_of(slices))
        lane.retries.have_left(window.count, lane.ready.count)
    lane.rest.in_hand = window.count > 0
    return window


def _group(gathering: Gathering) -> Window:
    """Take one group, which is an attempt by itself."""
    slices = gathering.take()
    count = count_of(slices)
    return Window(slices, count, (count,) if count > 1 else ())
