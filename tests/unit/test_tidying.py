"""When old loads are given up: between messages, with pauses, and briefly at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from persistq.broker.tidying import LAST_S, PAUSE_S, Tidying
from persistq.errors import JournalCorrupt, JournalUnavailable
from persistq.journal.base import Journal
from persistq.journal.keeping import Keep, beyond
from persistq.journal.load import EndedLoad, LoadState


def load(number: int, size: int = 10, outstanding: int = 0) -> EndedLoad:
    """Return a load that has ended in the second of its number."""
    ended = datetime.fromtimestamp(number, UTC)
    return EndedLoad(number, LoadState.SETTLED, ended, size, outstanding)


def numbers(keep: Keep, *loads: EndedLoad) -> list[int]:
    """Return the loads that are not kept."""
    return [it.load_id for _, it in beyond(keep, [(None, one) for one in loads])]


def test_the_latest_loads_are_kept() -> None:
    """The others are returned oldest first, whatever their order."""
    loads = [load(n) for n in (3, 1, 4, 2)]
    assert numbers(Keep(2, 1000), *loads) == [1, 2]
    assert numbers(Keep(0, 1000), *loads) == [1, 2, 3, 4]
    assert numbers(Keep(4, 1000), *loads) == []


def test_loads_are_kept_as_far_as_their_bytes_go() -> None:
    """One that does not fit takes all older ones with it, small ones too."""
    loads = [load(1, 1), load(2, 90), load(3, 60), load(4, 40)]
    assert numbers(Keep(9, 100), *loads) == [1, 2]
    assert numbers(Keep(9, 99), *loads) == [1, 2, 3]


def test_what_was_abandoned_with_outstanding_items_is_neither_counted_nor_given_up() -> None:
    """These are people's data."""
    assert numbers(Keep(1, 15), load(1), load(2, 99, outstanding=1), load(3)) == [1]


@dataclass
class Records:
    """A journal with two loads that have ended and some steps to do."""

    steps: int = 3
    purged: list[int] = field(default_factory=list)
    tidied: list[int] = field(default_factory=list)
    error: Exception | None = None

    def next_spool_id(self) -> int:
        """Return the first spool of this broker."""
        return 7

    def ended_loads(self) -> list[EndedLoad]:
        """Return those that were not purged."""
        return [load(n) for n in (1, 2) if n not in self.purged]

    def purge_load(self, load_id: int) -> bool:
        """Note it."""
        self.purged.append(load_id)
        return True

    def tidy(self, spools_before: int) -> bool:
        """Count down."""
        if self.error is not None:
            raise self.error
        self.tidied.append(spools_before)
        self.steps -= 1
        return self.steps > 0


class Clock:
    """A clock that is set by hand, and goes on by itself if it is told to."""

    def __init__(self, tick: float = 0.0) -> None:
        self.now = 100.0
        self.tick = tick

    def __call__(self) -> float:
        """Return the time."""
        self.now += self.tick
        return self.now


KEEP = Keep(1, 1000)


def tidying(records: Records, clock: Clock, keep: Keep = KEEP) -> Tidying:
    """Return what is tested."""
    return Tidying(cast("Journal", records), keep, clock)


def test_steps_are_taken_with_pauses_until_nothing_is_left() -> None:
    """So a client waits for one of them at most."""
    records, clock = Records(), Clock()
    it = tidying(records, clock)
    it.step_if_due()
    it.step_if_due()
    assert (records.purged, records.tidied) == ([1], [7])
    for _ in range(2):
        clock.now += PAUSE_S
        it.step_if_due()
    assert (len(records.tidied), it.due) == (3, None)
    it.step_if_due()
    assert len(records.tidied) == 3


def test_the_end_of_a_run_waits_for_no_pauses() -> None:
    """What has ended meanwhile counts as well."""
    records, clock = Records(steps=5), Clock()
    it = tidying(records, clock, Keep(0, 1000))
    it.finish(lambda: False)
    assert (records.purged, len(records.tidied)) == ([1, 2], 5)


def test_the_end_of_a_run_is_short() -> None:
    """What is left is left to the next run."""
    records, clock = Records(steps=10_000), Clock(tick=LAST_S / 10)
    tidying(records, clock).finish(lambda: False)
    assert 5 < len(records.tidied) < 11


def test_who_wants_the_next_broker_need_not_wait() -> None:
    """The end comes at once."""
    records = Records(steps=10_000)
    tidying(records, Clock()).finish(lambda: len(records.tidied) == 2)
    assert len(records.tidied) == 2


def test_a_run_goes_on_without_it() -> None:
    """On a full disk there is no room even to delete; but damage is not passed over."""
    records = Records(error=JournalUnavailable("sales.db", "the disk is full"))
    it = tidying(records, Clock())
    it.step_if_due()
    assert it.due is None
    it.finish(lambda: False)
    records.error = JournalCorrupt("sales.db", "it is damaged")
    with pytest.raises(JournalCorrupt):
        it.finish(lambda: False)


def test_the_loop_wakes_for_it() -> None:
    """A step is due as soon as a broker begins."""
    clock = Clock()
    it: Any = tidying(Records(), clock)
    assert it.due == clock.now
