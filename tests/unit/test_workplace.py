"""Who is at work in a run, and on what."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from persistq.errors import JournalUnavailable
from persistq.items import item_id_of
from persistq.pool.attendance import Attendance
from persistq.pool.crew import Place
from persistq.pool.workplace import AtWork, Workplace
from persistq.site.fence import InHand


def place(pid: int | None, stage: str = "clean", **facts: Any) -> Place:
    """Return a place where a process is, or none."""
    process: Any = None if pid is None else SimpleNamespace(pid=pid)
    return Place("worker", print, (), queue_id=2, stage=stage, process=process, **facts)


class Noted:
    """A site at whose fence this is noted.

    Args:
        noted: What is in hand; an error is raised instead.
    """

    def __init__(self, noted: list[InHand] | Exception) -> None:
        self._noted = noted
        self.opened = self.closed = 0

    def lookout(self) -> Noted:
        """Open it."""
        self.opened += 1
        return self

    def items_in_hand(self) -> list[InHand]:
        """Return what is in hand."""
        if isinstance(self._noted, Exception):
            raise self._noted
        return self._noted

    def close(self) -> None:
        """Close it."""
        self.closed += 1


def workplace(site: Noted, *places: Place) -> Workplace:
    """Return the workers of a run."""
    return Workplace(site, places)  # type: ignore[arg-type]


def test_items_are_named_and_attempts_of_several_are_batches() -> None:
    """A number that is no item's of that stage is the number of a batch."""
    noted = [InHand(11, item_id_of(2, 6), 5.0), InHand(12, 7, 4.0), InHand(12, item_id_of(3, 1), 3)]
    seen = workplace(Noted(noted), place(11), place(12)).at_work()
    batch = "a batch of clean"
    assert seen == [AtWork("clean:6", 11, 5.0), AtWork(batch, 12, 4.0), AtWork(batch, 12, 3)]


def test_who_is_no_worker_of_this_run_is_left_out() -> None:
    """Other programs take items at the same fence, and sources take none."""
    noted = [InHand(pid, item_id_of(2, pid), 1.0) for pid in (11, 12, 13)]
    seen = workplace(Noted(noted), place(11), place(12, source=True), place(None)).at_work()
    assert [it.what for it in seen] == ["clean:11"]


def test_a_stage_is_named_so_that_a_terminal_can_show_it() -> None:
    """Whatever it is called."""
    noted = [InHand(11, item_id_of(2, 6), 5.0), InHand(11, 7, 5.0)]
    seen = workplace(Noted(noted), place(11, stage="a\x1b[2J\n")).at_work()
    assert [it.what.isprintable() for it in seen] == [True, True]


@pytest.mark.parametrize("error", [JournalUnavailable("x", "was cut short"), OSError("gone")])
def test_a_fence_that_cannot_be_read_disturbs_nothing(error: Exception) -> None:
    """It is not looked at again: the work does not depend on what is seen of it."""
    site = Noted(error)
    there = workplace(site, place(11))
    assert there.at_work() == there.at_work() == []
    assert (site.opened, site.closed) == (1, 1)


def test_the_fence_is_opened_when_somebody_looks() -> None:
    """Once, and not after the run."""
    site = Noted([])
    there = workplace(site, place(11))
    assert there.attendance().alive == 1
    assert site.opened == 0
    there.at_work()
    there.at_work()
    there.close()
    there.at_work()
    assert (site.opened, site.closed) == (1, 1)


def test_workers_that_live_should_be_there_and_have_died_are_counted() -> None:
    """Sources are none; a place whose stage is over is no place any more."""
    places = [
        place(11),
        place(None, deaths=2),
        place(None, over=True, deaths=1),
        place(12, over=True),
        place(13, source=True, deaths=5),
    ]
    assert workplace(Noted([]), *places).attendance() == Attendance(alive=2, places=3, died=3)
