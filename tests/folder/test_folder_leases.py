"""Liveness: who works on another host is heard, waited for if it asks for it, and missed."""

from __future__ import annotations

import json
import os
import queue as stdlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from persistq import DONE, FolderQueue, UpstreamFailed, UsageError
from persistq.folder.alarms import Alarms
from persistq.folder.cards import read_card
from persistq.folder.heartbeat import heart
from persistq.folder.owner import Owner, Watch
from persistq.folder.place import place_of
from persistq.folder.recovery import recover

LEASE_S = 0.6
"""For real processes: short, and long enough for heartbeats of a machine that is busy."""

Elsewhere = Callable[..., int]


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """Do something in a process that says it is on another host, and stays until it is killed."""
    pids: list[int] = []

    def doing(act: Callable[[], object]) -> int:
        read, write = os.pipe()
        if not (pid := os.fork()):
            try:
                os.environ["PERSISTQ_HOST"] = "left"
                kept = act()
                os.write(write, b"done")
                signal.pause()
                del kept
            finally:
                os._exit(1)
        pids.append(pid)
        os.close(write)
        assert os.read(read, 4) == b"done"
        os.close(read)
        return pid

    yield doing
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def kill(pid: int) -> None:
    """Kill a process, which is waited for later."""
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def until(done: Callable[[], object]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def hold(folder: Path, **options: Any) -> Any:
    """Claim a file, and keep it."""
    queue: FolderQueue[Any] = FolderQueue(folder, **{"lease": LEASE_S, **options})
    queue.get(timeout=30)
    return queue


def owner_in(folder: Path) -> str:
    """Return the only owner there is."""
    (card,) = (folder / ".owners").iterdir()
    return card.name


def moved(folder: Path, **facts: Any) -> str:
    """Let the only owner be one of another host, of which no heartbeat comes."""
    card = folder / ".owners" / owner_in(folder)
    heart.remove(card)
    card.write_text(json.dumps(json.loads(card.read_text()) | {"host": "elsewhere/1"} | facts))
    return card.name


def watched(folder: Path, moments: list[float], **options: Any) -> Watch:
    """Return who watches it, with a clock of its own."""
    watch = Watch(place_of(folder), 60.0, **options)
    watch.leases.clock = iter(moments).__next__
    return watch


# --- leases and heartbeats ------------------------------------------------------------------------


def test_what_the_dead_of_another_host_had_comes_back_after_their_lease(
    folder: Path, open_folder: Any, write: Any, elsewhere: Elsewhere
) -> None:
    """And not before: a heartbeat may still come."""
    write("a")
    pid = elsewhere(lambda: hold(folder))
    kill(pid)
    began = time.monotonic()
    queue = open_folder(lease=LEASE_S)
    assert queue.get(timeout=30).name.endswith(".a")
    assert time.monotonic() - began >= LEASE_S


def test_who_lives_on_another_host_keeps_what_it_has(
    folder: Path, open_folder: Any, write: Any, elsewhere: Elsewhere
) -> None:
    """However often its lease goes by."""
    write("a")
    pid = elsewhere(lambda: hold(folder))
    with pytest.raises(stdlib.Empty):
        open_folder(lease=LEASE_S).get(timeout=3 * LEASE_S)
    kill(pid)


def test_a_quicker_heartbeat_is_heard_beside_a_slow_one(
    folder: Path, open_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread may be waiting for the slow one when another queue is opened."""
    monkeypatch.setenv("PERSISTQ_HEARTBEAT", "3600")
    slow = open_folder(producer="slow", lease=86_400.0)
    monkeypatch.delenv("PERSISTQ_HEARTBEAT")
    quick = open_folder(producer="quick", lease=0.3)
    assert {slow._options.times.heartbeat, quick._options.times.heartbeat} == {3_600.0, 0.3 / 12}
    card = quick._claims.owner.card
    before = card.stat().st_mtime_ns
    until(lambda: card.stat().st_mtime_ns > before)


def test_the_argument_wins_over_the_setting(
    folder: Path, open_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting over the default; all are refused that leave no room for a late heartbeat."""
    assert open_folder()._options.times.lease == 60.0
    monkeypatch.setenv("PERSISTQ_LEASE", "30")
    assert open_folder()._options.times.lease == 30.0
    assert open_folder(lease=90)._options.times.lease == 90.0
    monkeypatch.setenv("PERSISTQ_HEARTBEAT", "20")
    with pytest.raises(UsageError, match="lease=30 is too short for heartbeat=20"):
        open_folder()
    with pytest.raises(UsageError, match="lease: 0 is refused"):
        FolderQueue.rows(folder, lease=0)


def test_a_card_that_says_nonsense_asks_for_nothing(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """Somebody else may have written it; a time that nobody would wait for is cut down."""
    write("a")
    open_folder().get()
    place = place_of(folder)
    for said, seconds in (
        ("soon", 0),
        (-1, 0),
        (float("nan"), 0),
        (float("inf"), 0),
        (True, 0),
        (10**400, 0),
        (1e12, 86_400),
        (7, 7),
    ):
        card = read_card(place, moved(folder, extended=said))
        assert card is not None
        assert card.sign.extended == seconds, said
    assert read_card(place, "nobody") is None


def test_who_was_taken_for_dead_and_lives_is_seen_again(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """A producer too: it may still say that it is done."""
    queue = open_folder(producer="north", lease=0.3)
    card = queue._claims.owner.card
    card.unlink()
    until(card.exists)


# --- asking for time ------------------------------------------------------------------------------


def test_who_asks_for_time_is_waited_for_on_other_hosts(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """Code that lets no other thread run cannot give a sign of life."""
    write("a")
    holder = open_folder()
    holder.get()
    holder.extend("5min")
    owner = moved(folder)
    watch = watched(folder, [*range(0, 400, 10)])
    assert [watch.is_dead(owner) for _ in range(30)] == [None] * 30
    assert watch.is_dead(owner) is True


def test_what_was_asked_for_shrinks_with_each_heartbeat_and_ends(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """Else who dies later would be waited for longer."""
    queue = open_folder(lease=0.3, producer="north")
    place, owner = place_of(folder), queue._claims.owner.name

    def asked_for() -> float:
        card = read_card(place, owner)
        assert card is not None
        return card.sign.extended

    queue.extend(1)
    first = asked_for()
    assert 0 < first <= 1
    until(lambda: asked_for() < first)
    until(lambda: asked_for() == 0)


def test_asking_for_less_takes_nothing_away(folder: Path, open_folder: Any) -> None:
    """What was promised to others counts."""
    queue = open_folder(producer="north")
    queue.extend("1 h")
    queue.extend(1)
    card = read_card(place_of(folder), owner_in(folder))
    assert card is not None
    assert card.sign.extended > 3_500


def test_the_dead_of_the_same_host_are_not_waited_for(
    folder: Path, open_folder: Any, write: Any
) -> None:
    """The kernel knows, whatever they have asked for."""
    write("a")
    if not (pid := os.fork()):
        try:
            hold(folder).extend("1 h")
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    os.waitpid(pid, 0)
    assert open_folder().get(timeout=30).name.endswith(".a")


def test_who_has_nothing_may_ask_all_the_same(folder: Path, open_folder: Any) -> None:
    """A queue of rows too; and nonsense is refused before anything is written."""
    rows: FolderQueue[Any] = FolderQueue.rows(folder)
    with pytest.raises(UsageError, match=r"from 0\.001 s to a day"):
        rows.extend("a while")
    assert [*(folder / ".owners").iterdir()] == []
    rows.extend("20min")
    rows.release()
    assert [*(folder / ".owners").iterdir()] == []


def test_a_card_that_cannot_be_written_is_told(
    folder: Path, open_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was asked for then."""
    queue = open_folder(producer="north")
    monkeypatch.setattr(Owner, "extend", lambda *args: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(Exception, match="full"):
        queue.extend(60)


# --- alarms ---------------------------------------------------------------------------------------


def test_who_waits_is_told_once_of_silence_death_and_return(
    folder: Path, open_folder: Any, write: Any, capsys: Any, caplog: Any
) -> None:
    """With what others wait for of that owner."""
    caplog.set_level("INFO")
    write("a", "b")
    holder = open_folder(producer="north")
    holder.get()
    owner = moved(folder)
    watch = watched(folder, [*range(0, 200, 5)], notice=Alarms(place_of(folder)).notice)
    for _ in range(20):
        watch.is_dead(owner)
    os.utime(folder / ".owners" / owner)
    for _ in range(3):
        watch.is_dead(owner)
    silent, dead, back = lines = capsys.readouterr().err.splitlines()
    stake = "1 in hand, producer 'north' is not done"
    assert silent.endswith(
        f"has given no sign of life for 30 s, and counts as dead after 60 s: {stake}"
    )
    assert dead.endswith(f"counts as dead, having given no sign of life for 60 s: {stake}")
    assert back.endswith("gives signs of life again")
    assert [f"persistq: {record.message}" for record in caplog.records] == lines
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]


def test_who_has_nothing_may_be_silent(folder: Path, open_folder: Any, capsys: Any) -> None:
    """A reader that was killed while it waited is missed by nobody."""
    open_folder(drain=True).get(timeout=30)
    owner = moved(folder)
    watch = watched(folder, [*range(0, 200, 5)], notice=Alarms(place_of(folder)).notice)
    for _ in range(20):
        watch.is_dead(owner)
    assert capsys.readouterr().err == ""


def test_a_death_is_told_before_its_traces_are_gone(
    folder: Path, open_folder: Any, write: Any, capsys: Any
) -> None:
    """Recovery removes what tells what was at stake."""
    write("a")
    holder = open_folder()
    holder.get()
    moved(folder)
    heir = open_folder()
    watch = watched(folder, [*range(0, 500, 10)], notice=Alarms(place_of(folder)).notice)
    while not recover(heir._claims.owner, watch, 3).given_back:
        continue
    told = capsys.readouterr().err.splitlines()
    assert [line.endswith(": 1 in hand") for line in told] == [True, True]
    # Who comes back has nothing to give back, and may leave.
    holder.release()


def test_a_reader_that_waits_for_a_dead_producer_elsewhere_learns_it(
    folder: Path, open_folder: Any, elsewhere: Elsewhere, capsys: Any
) -> None:
    """It fails, or goes on without, as it was told; and says why."""
    pid = elsewhere(lambda: FolderQueue(folder, producer="north", lease=LEASE_S))
    patient = open_folder(lease=LEASE_S, dead_producer="done")
    with pytest.raises(stdlib.Empty):
        patient.get(timeout=2 * LEASE_S)
    kill(pid)
    assert patient.get(timeout=30) is DONE
    assert "producer 'north' is not done" in capsys.readouterr().err


def test_join_learns_of_a_dead_producer_elsewhere(
    folder: Path, open_folder: Any, write: Any, elsewhere: Elsewhere
) -> None:
    """It looks again and again with the same eyes, or it would never see a lease end."""
    write("a")
    pid = elsewhere(lambda: FolderQueue(folder, producer="north", lease=LEASE_S))
    kill(pid)
    with pytest.raises(UpstreamFailed, match="producer 'north' is gone"):
        open_folder(lease=LEASE_S).join()


def test_a_fork_in_the_middle_of_asking_leaves_the_child_alone(
    folder: Path, open_folder: Any
) -> None:
    """The parent's owners are not the child's, and no lock of theirs is in its way."""
    queue = open_folder(producer="north", lease=0.3)
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            queue.extend(1)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for _ in range(5):
            if not (pid := os.fork()):
                mine: FolderQueue[Any] = FolderQueue(folder, lease=0.3)
                mine.extend(5)
                os._exit(0 if len(heart._pulses) == 1 else 1)
            assert os.waitpid(pid, 0)[1] == 0
    finally:
        stop.set()
        thread.join()
