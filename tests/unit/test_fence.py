"""The fence knows who is still at work, and what the dead had in their hands."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from persistq.errors import JournalUnavailable
from persistq.site.fence import SLOTS, Fence, Lookout, Post, _openers, fence_path
from persistq.site.processes import VARIABLE, has_ended

FORK = multiprocessing.get_context("fork")


def stand(pipe: Connection, path: Path, slot: int, item_id: int) -> None:
    """Be a consumer that works on an item."""
    journal = path.with_suffix(".db")
    post = Post(path, journal if journal.exists() else None)
    post.occupy(slot)
    post.hold(item_id, since=1.5)
    pipe.send("standing")
    pipe.recv()


class Consumers:
    """Processes that stand at a fence."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.all: list[tuple[BaseProcess, Connection]] = []

    def add(self, slot: int, item_id: int) -> int:
        """Start one, and return its process id."""
        ours, theirs = FORK.Pipe()
        process = FORK.Process(target=stand, args=(theirs, self.path, slot, item_id))
        process.start()
        theirs.close()
        self.all.append((process, ours))
        assert ours.poll(30)
        assert ours.recv() == "standing"
        assert process.pid is not None
        return process.pid

    def kill_all(self) -> None:
        """Kill them, and wait until they are dead."""
        for process, pipe in self.all:
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
            pipe.close()
        self.all.clear()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the fence of a journal is."""
    return fence_path(str(tmp_path / "a.b.db"))


@pytest.fixture
def consumers(path: Path) -> Iterator[Consumers]:
    """Processes that are gone at the end of the test."""
    consumers = Consumers(path)
    yield consumers
    consumers.kill_all()


def test_fence_lies_beside_its_journal(path: Path) -> None:
    """A name with dots keeps them."""
    assert path.name == "a.b.workers"


def test_fence_without_consumers_is_clear(path: Path) -> None:
    """A new fence, and one that others have left."""
    fence = Fence(path)
    assert fence.wait_clear(0)
    Post(path).close()
    assert fence.wait_clear(0)


def test_living_consumer_keeps_the_fence_closed(path: Path, consumers: Consumers) -> None:
    """However long one waits, until the consumer is dead."""
    consumers.add(0, 7)
    fence = Fence(path)
    assert not fence.wait_clear(0)
    consumers.kill_all()
    assert fence.wait_clear(30)


def test_clear_fence_lets_new_consumers_in(path: Path) -> None:
    """Waiting for the old ones takes nothing from the new ones."""
    fence = Fence(path)
    assert fence.wait_clear(0)
    post = Post(path)
    assert not fence.wait_clear(0)
    post.close()


def test_notes_survive_the_death_of_their_writers(path: Path, consumers: Consumers) -> None:
    """The broker reads who died and what it was working on."""
    fence = Fence(path)
    first, second = consumers.add(0, 41), consumers.add(5, 42)
    consumers.kill_all()
    assert [peer.pid for peer in fence.occupants()] == sorted([first, second])
    assert fence.held_items() == [41, 42]
    assert (fence.held_in(0), fence.held_in(5), fence.held_in(1)) == (41, 42, 0)
    with closing(Lookout(path)) as lookout:
        assert lookout.items_in_hand() == [(first, 41, 1.5, 0.0), (second, 42, 1.5, 0.0)]
        fence.wipe()
        assert lookout.items_in_hand() == []
    assert (fence.occupants(), fence.held_items()) == ([], [])


def test_note_is_taken_back(path: Path) -> None:
    """A consumer between two items is to blame for nothing."""
    fence, post = Fence(path), Post(path)
    post.occupy(fence.grant())
    post.hold(9)
    assert fence.held_items() == [9]
    post.hold(0)
    assert fence.held_items() == []
    post.close()


def test_slots_are_granted_once_and_cleared(path: Path) -> None:
    """A slot that was left is granted again, without the note of its last owner."""
    fence = Fence(path)
    slots = [fence.grant() for _ in range(SLOTS)]
    assert sorted(slots) == list(range(SLOTS))
    with pytest.raises(IndexError):
        fence.grant()
    post = Post(path)
    post.occupy(slots[17])
    post.hold(3)
    post.close()
    fence.reclaim(slots[17])
    assert fence.grant() == slots[17]
    assert fence.held_in(slots[17]) == 0


def test_forked_child_leaves_its_parents_place_alone(path: Path) -> None:
    """A child that closes the copy it inherited does not open the fence."""
    fence, post = Fence(path), Post(path)
    child = FORK.Process(target=post.close)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert not fence.wait_clear(0)
    post.close()


def test_a_file_that_was_cut_short_is_told(path: Path) -> None:
    """Each reader says so; who opens it anew makes it whole."""
    fence, lookout = Fence(path), Lookout(path)
    os.truncate(path, 10)
    for read in (
        fence.occupants,
        fence.held_items,
        lookout.items_in_hand,
        lambda: fence.held_in(3),
    ):
        with pytest.raises(JournalUnavailable, match="cut short while in use: start the program"):
            read()
    assert Fence(path).occupants() == lookout.items_in_hand() == []
    lookout.close()


@pytest.fixture
def journal(path: Path) -> Path:
    """A file in the place of the journal."""
    file = path.with_suffix(".db")
    file.touch(mode=0o600)
    return file


@pytest.mark.parametrize("replaced", [False, True])
def test_a_consumer_behind_a_deleted_fence_still_keeps_the_next_run_waiting(
    path: Path, journal: Path, consumers: Consumers, replaced: bool
) -> None:
    """It stands at the journal itself, too, and is named."""
    pid = consumers.add(0, 7)
    path.unlink()
    if replaced:
        Fence(path)
    fence = Fence(path, journal)
    assert not fence.wait_clear(0)
    assert fence.keepers() == [pid]
    consumers.kill_all()
    assert fence.wait_clear(30)


def test_a_consumer_that_leaves_lets_go_of_the_journal(path: Path, journal: Path) -> None:
    """Its process lives on, and may stand there again."""
    for _ in range(2):
        post = Post(path, journal)
        post.close()
        assert clear_to_others(path, journal)


def clear_to_others(path: Path, journal: Path) -> bool:
    """Return whether another process finds the fence clear."""
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=lambda: theirs.send(Fence(path, journal).wait_clear(0)))
    process.start()
    assert ours.poll(30)
    clear: bool = ours.recv()
    process.join()
    return clear


def test_a_journal_that_is_gone_keeps_nobody_from_the_fence(path: Path) -> None:
    """Its writer will notice, and say so better."""
    post = Post(path, path.with_suffix(".db"))
    assert not Fence(path, path.with_suffix(".db")).wait_clear(0)
    post.close()


def test_a_consumer_of_another_host_is_no_process_of_this_one(
    path: Path, consumers: Consumers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may be somebody else's here, who must be neither named nor killed for it."""
    fence = Fence(path)
    monkeypatch.setenv(VARIABLE, "elsewhere")
    pid = consumers.add(0, 41)
    monkeypatch.delenv(VARIABLE)
    with closing(Lookout(path)) as lookout:
        assert lookout.items_in_hand() == []
    [occupant] = fence.occupants()
    assert (occupant.host, occupant.pid, has_ended(occupant)) == ("", pid, None)
    monkeypatch.setenv(VARIABLE, "elsewhere")
    assert [has_ended(occupant) for occupant in fence.occupants()] == [False]


def test_a_dead_consumers_number_that_lives_keeps_no_fence(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was given it since is not blamed for a closed fence."""
    monkeypatch.setattr("persistq.site.fence._openers", lambda file: iter(()))
    fence, post = Fence(path), Post(path)
    post.occupy(0)
    assert fence.keepers() == [os.getpid()]
    post._words[3] -= 1
    assert fence.keepers() == []
    post.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="openers are read from /proc")
def test_processes_that_end_while_openers_are_looked_for_hide_nobody(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the list of processes and a look at each, some are gone."""
    gone = 2**22 + 1
    monkeypatch.setattr("persistq.site.fence._processes", lambda: [gone, os.getpid()])
    with path.open("wb") as file:
        assert list(_openers(os.fstat(file.fileno()))) == [os.getpid()]
