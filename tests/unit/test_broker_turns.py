"""What the broker makes of messages that arrive together, turn by turn."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from lanes import CRASHED

from persistq.blocks import JSON, Origin, block_of
from persistq.broker.link import Link
from persistq.broker.opening import open_load
from persistq.broker.server import Broker
from persistq.items import IdRange, ids_in
from persistq.journal.sqlite import open_journal
from persistq.site.fence import Fence, Post, fence_path
from persistq.site.processes import peer_here, this_process
from persistq.testing import check_journal
from persistq.wire.framing import FrameReader, frame, from_broker
from persistq.wire.handshake import GREETING_BYTES, ClientSide
from persistq.wire.messages import (
    BrokerMessage,
    ClientMessage,
    Done,
    Failed,
    GiveBack,
    Hello,
    Items,
    Opening,
    Outputs,
    Patience,
    Put,
    Role,
    Seal,
    StageSpec,
    Take,
    Watch,
    WorkerEnded,
)

WORKER = 4_711
FAMILY = "family"


class Stage:
    """A broker whose turns are taken one at a time, and its clients' ends.

    Attributes:
        path: The journal.
    """

    def __init__(self, path: Path, *stages: StageSpec) -> None:
        self.path = path
        self._fence = Fence(fence_path(str(path)))
        self._journal = open_journal(path, durability="normal")
        opening = Opening(
            token="token",
            name="work",
            path=str(path),
            kind="pipeline" if stages else "queue",
            stages=[*stages] or [StageSpec("work")],
            executable="python3",
            argv=[],
            cwd="/",
            peer=this_process(),
            family=FAMILY,
        )
        opened = open_load(self._journal, opening)
        self.transitions = opened.transitions
        self.queue_ids = [*opened.transitions.rows]
        self.queue_id = self.queue_ids[0]
        listener = socket.create_server(("127.0.0.1", 0))
        self.broker = Broker(opening, self._journal, opened, listener, self._fence)

    def connect(self, role: Role, pid: int, together: int = 1, at: int = 0) -> socket.socket:
        """Return a client's end, introduced and welcomed at a stage."""
        ours, theirs = socket.socketpair()
        ours.settimeout(30)
        self.broker._arrivals.admit(theirs)
        side = ClientSide("token")
        ours.sendall(side.greeting)
        self.turn()
        answer = ours.recv(1 << 16)
        ours.sendall(side.prove(answer[:GREETING_BYTES], answer[GREETING_BYTES:]))
        tell(ours, Hello(peer_here(pid), FAMILY, role, self.queue_ids[at], together))
        self.turn()
        hear(ours)
        return ours

    def turn(self) -> None:
        """Let the broker deal once with all that has arrived."""
        self.broker._turn(self.broker._selector.select(0))

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Ask the journal."""
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query).fetchall()

    def close(self) -> None:
        """Let everything go."""
        self.broker._close()
        self._journal.close()


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Stage]:
    """A broker of a new journal with two stages."""
    made = Stage(tmp_path / "work.db", StageSpec("first"), StageSpec("second"))
    yield made
    made.close()


@pytest.fixture
def fork(tmp_path: Path) -> Iterator[Stage]:
    """A broker of a stage that feeds two, the second of which is fed by the first as well."""
    made = Stage(
        tmp_path / "work.db",
        StageSpec("split", feeds=["left", "right"]),
        StageSpec("left", feeds=["right"]),
        StageSpec("right"),
    )
    yield made
    made.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A broker of a new journal."""
    made = Stage(tmp_path / "work.db")
    yield made
    made.close()


def tell(client: socket.socket, *messages: ClientMessage) -> None:
    """Send messages in one piece."""
    client.sendall(b"".join(map(frame, messages)))


def hear(client: socket.socket) -> list[BrokerMessage]:
    """Return what has come."""
    return FrameReader(from_broker).feed(client.recv(1 << 16))


def test_news_of_a_death_may_overtake_the_end_of_the_stream(stage: Stage) -> None:
    """How a worker ended is kept with its failure, though its last words are read first."""
    anchor = stage.connect(Role.ANCHOR, os.getpid())
    worker = stage.connect(Role.CONSUMER, WORKER)
    producer = stage.connect(Role.PRODUCER, os.getpid())
    tell(producer, Put(stage.queue_id, [block_of(JSON, [b"1"])]))
    tell(worker, Take(Patience.WAIT, 0))
    stage.turn()
    [window] = hear(worker)
    assert isinstance(window, Items)
    with closing(Post(fence_path(str(stage.path)))) as post:
        post.occupy(0)
        post.hold(window.slices[0].ids.first)

    tell(worker, GiveBack([]))
    worker.close()
    tell(anchor, WorkerEnded(WORKER, 7, 0, 123, out_of_memory=False))
    stage.turn()
    stage.turn()

    assert stage.rows("SELECT kind, exit_code, peak_rss FROM failure") == [("crash", 7, 123)]
    assert stage.rows("SELECT ending FROM worker") == [("exit code 7",)]
    anchor.close()
    producer.close()


def test_a_watcher_that_does_not_read_keeps_nobody_busy(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop sleeps until it has read what was sent to it."""
    anchor = stage.connect(Role.ANCHOR, os.getpid())
    producer = stage.connect(Role.PRODUCER, os.getpid())
    tell(anchor, Watch(0.0))
    stage.turn()
    monkeypatch.setattr(Link, "behind", True)
    tell(producer, Put(stage.queue_id, [block_of(JSON, [b"1"])]))
    stage.turn()
    stage.broker._session.watchers[0].stale = True
    stage.broker._session.transitions.unsynced = False
    stage.broker._session.transitions.record.untold = False
    stage.broker._tidying.due = None
    assert stage.broker._patience() > 1
    anchor.close()
    producer.close()


def taken(stage: Stage, worker: socket.socket, seen: int) -> Items:
    """Let a worker ask for items, and return what it gets."""
    tell(worker, Take(Patience.WAIT, seen))
    stage.turn()
    [window] = hear(worker)
    assert isinstance(window, Items)
    return window


def ids_of(window: Items) -> list[int]:
    """Return the ids of what was handed out."""
    return [*ids_in(ranges_in(window))]


def ranges_in(window: Items) -> list[IdRange]:
    """Return what was handed out as a report names it."""
    return [part.ids for part in window.slices]


def made(queue_id: int, window: Items, *payloads: bytes) -> Outputs:
    """Return outputs, all of the first item of a window."""
    origin = Origin(window.slices[0].ids.first)
    return Outputs(queue_id, [block_of(JSON, payloads)], [origin])


def test_items_are_retried_by_hand_beside_a_live_run(chain: Stage) -> None:
    """A load that has been settled is open again, and so is the stage behind, for outputs."""
    first, second = chain.queue_ids
    anchor = chain.connect(Role.ANCHOR, os.getpid())
    producer = chain.connect(Role.PRODUCER, os.getpid())
    control = chain.connect(Role.CONTROL, os.getpid())
    worker = chain.connect(Role.CONSUMER, WORKER)
    tell(producer, Put(first, [block_of(JSON, [b"1"])]))
    chain.turn()
    window = taken(chain, worker, 0)
    tell(worker, Failed(ranges_in(window), "ValueError", "no", ""))
    tell(control, Seal(1, first))
    chain.turn()
    assert chain.rows("SELECT state FROM load") == [("settled",)]
    assert chain.rows("SELECT parked, sealed_total FROM queue") == [(1, 1), (0, 0)]

    assert chain.transitions.parked.unpark(first) == 1
    chain.turn()
    assert chain.rows("SELECT state FROM load") == [("reopened",)]
    assert chain.rows("SELECT parked, sealed_total FROM queue") == [(0, 1), (0, None)]
    assert chain.rows("SELECT forgiven FROM failure") == [(1,)]
    assert ids_of(taken(chain, worker, 1)) == ids_of(window)
    outputs = [made(second, window, b"2", b"3")]
    tell(worker, Done(ranges_in(window), 0.1, outputs))
    chain.turn()
    assert chain.rows("SELECT done, sealed_total FROM queue") == [(1, 1), (0, 2)]
    assert check_journal(chain.path) == []
    for client in (worker, control, producer, anchor):
        client.close()


def test_a_death_with_several_items_in_hand_is_blamed_on_their_attempt(stage: Stage) -> None:
    """The slot names the attempt; its halves are tried apart, and no item is counted."""
    anchor = stage.connect(Role.ANCHOR, os.getpid())
    producer = stage.connect(Role.PRODUCER, os.getpid())
    worker = stage.connect(Role.CONSUMER, WORKER, together=3)
    tell(producer, Put(stage.queue_id, [block_of(JSON, [b"1", b"2", b"3", b"4"])]))
    stage.turn()
    window = taken(stage, worker, 0)
    assert (len(ids_of(window)), window.sizes) == (3, [3])
    with closing(Post(fence_path(str(stage.path)))) as post:
        post.occupy(0)
        post.hold(window.first)
    worker.close()
    stage.turn()
    stage.turn()
    assert stage.rows("SELECT kind, item_id FROM failure") == [
        ("suspect", item_id) for item_id in ids_of(window)
    ]
    heir, other = (stage.connect(Role.CONSUMER, WORKER + n, together=3) for n in (1, 2))
    half = taken(stage, heir, 0)
    assert (ids_of(half), half.attempts) == (ids_of(window)[:2], {})
    assert ids_of(taken(stage, other, 0)) == ids_of(window)[2:]
    for client in (heir, other, producer, anchor):
        client.close()


def test_the_next_run_begins_what_has_died_in_company_alone(stage: Stage) -> None:
    """The journal remembers, so that a program that always dies of a batch comes to an end."""
    producer = stage.connect(Role.PRODUCER, os.getpid())
    tell(producer, Put(stage.queue_id, [block_of(JSON, [b"1", b"2", b"3", b"4"])]))
    stage.turn()
    worker = stage.connect(Role.CONSUMER, WORKER, together=4)
    window = taken(stage, worker, 0)
    stage.transitions.deaths.blame(*stage.transitions.scheduler.consumers, window.first, CRASHED)
    stage.transitions.commit()
    stage.close()
    worker.close()
    producer.close()

    again = Stage(stage.path)
    worker = again.connect(Role.CONSUMER, WORKER, together=4)
    assert taken(again, worker, 0).sizes == [1, 1, 1, 1]
    worker.close()
    again.close()


def test_a_block_passes_the_broker_as_it_came(chain: Stage) -> None:
    """Stored, handed out and done as one; what is made of its items is stored with their ids."""
    first, second = chain.queue_ids
    anchor = chain.connect(Role.ANCHOR, os.getpid())
    producer = chain.connect(Role.PRODUCER, os.getpid())
    worker = chain.connect(Role.CONSUMER, WORKER)
    block = block_of(JSON, [b"%d" % n for n in range(8)])
    tell(producer, Put(first, [block, block]))
    chain.turn()
    assert (
        chain.rows("SELECT count, data, crc, origin FROM put_block")
        == [(8, block.data, block.crc, None)] * 2
    )
    chain.transitions.scheduler.lanes[first].pace.learn(100, 1e-5)
    window = taken(chain, worker, 0)
    assert [part.block for part in window.slices] == [block]
    mapped = Outputs(second, [block], [Origin(window.slices[0].first_id, b"\1")])
    tell(worker, Done(ranges_in(window), 0.1, [mapped]))
    chain.turn()
    assert chain.rows("SELECT last_id - first_id, outcome FROM done_range") == [(7, 0)]
    assert chain.rows("SELECT origin, steps FROM put_block WHERE origin IS NOT NULL") == [
        (window.slices[0].first_id, b"\1")
    ]
    assert check_journal(chain.path) == []
    for client in (worker, producer, anchor):
        client.close()


def test_a_damaged_block_ends_nothing(stage: Stage) -> None:
    """It is handed out whole, for its consumer to report, and others are served."""
    producer = stage.connect(Role.PRODUCER, os.getpid())
    worker = stage.connect(Role.CONSUMER, WORKER)
    damaged = block_of(JSON, [b"%d" % n for n in range(100)])._replace(crc=1)
    tell(producer, Put(stage.queue_id, [damaged, block_of(JSON, [b"1"])]))
    stage.turn()
    assert [part.block for part in taken(stage, worker, 0).slices] == [damaged]
    assert [part.block.data for part in taken(stage, worker, 1).slices] == [b"1"]
    for client in (worker, producer):
        client.close()


def test_a_stage_that_two_feed_is_sealed_when_both_are_settled(fork: Stage) -> None:
    """And a stage gives to those it feeds, and to nobody else."""
    split, left, right = fork.queue_ids
    anchor = fork.connect(Role.ANCHOR, os.getpid())
    producer = fork.connect(Role.PRODUCER, os.getpid())
    control = fork.connect(Role.CONTROL, os.getpid())
    splitter, lefty = (fork.connect(Role.CONSUMER, WORKER + at, at=at) for at in (0, 1))
    tell(producer, Put(split, [block_of(JSON, [b"1"])]))
    tell(control, Seal(1, split))
    fork.turn()
    window = taken(fork, splitter, 0)
    outputs = [made(left, window, b"l"), made(right, window, b"r")]
    tell(splitter, Done(ranges_in(window), 0.1, outputs))
    fork.turn()
    assert fork.rows("SELECT next_n, sealed_total FROM queue") == [(2, 1), (2, 1), (2, None)]
    window = taken(fork, lefty, 0)
    tell(lefty, Done(ranges_in(window), 0.1, [made(split, window, b"back")]))
    fork.turn()
    assert lefty.recv(1) == b"", "it may not put there, so it is taken for dead"
    lefty.close()
    lefty = fork.connect(Role.CONSUMER, WORKER, at=1)
    window = taken(fork, lefty, 0)
    tell(lefty, Done(ranges_in(window), 0.1, [made(right, window, b"l")]))
    fork.turn()
    assert fork.rows("SELECT sealed_total FROM queue") == [(1,), (1,), (2,)]
    for client in (splitter, lefty, control, producer, anchor):
        client.close()
