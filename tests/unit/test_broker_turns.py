"""What the broker makes of messages that arrive together, turn by turn."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from persistq.broker.link import Link
from persistq.broker.opening import open_load
from persistq.broker.server import Broker
from persistq.journal.sqlite import open_journal
from persistq.site.fence import Fence, Post, fence_path
from persistq.wire.framing import FrameReader, frame, from_broker
from persistq.wire.handshake import GREETING_BYTES, ClientSide
from persistq.wire.messages import (
    BrokerMessage,
    ClientMessage,
    GiveBack,
    Hello,
    Items,
    Opening,
    Patience,
    Put,
    Role,
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

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fence = Fence(fence_path(str(path)))
        self._journal = open_journal(path, durability="normal")
        opening = Opening(
            token="token",
            name="work",
            path=str(path),
            kind="queue",
            stages=[StageSpec("work")],
            executable="python3",
            argv=[],
            cwd="/",
            pid=os.getpid(),
            family=FAMILY,
        )
        opened = open_load(self._journal, opening)
        [self.queue_id] = opened.scheduler.lanes
        listener = socket.create_server(("127.0.0.1", 0))
        self.broker = Broker(opening, self._journal, opened, listener, self._fence)

    def connect(self, role: Role, pid: int) -> socket.socket:
        """Return a client's end, introduced and welcomed."""
        ours, theirs = socket.socketpair()
        ours.settimeout(30)
        self.broker._arrivals.admit(theirs)
        side = ClientSide("token")
        ours.sendall(side.greeting)
        self.turn()
        answer = ours.recv(1 << 16)
        ours.sendall(side.prove(answer[:GREETING_BYTES], answer[GREETING_BYTES:]))
        tell(ours, Hello(pid, FAMILY, role, self.queue_id))
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
    tell(producer, Put(stage.queue_id, b"\0", [b"1"]))
    tell(worker, Take(Patience.WAIT, 0))
    stage.turn()
    [window] = hear(worker)
    assert isinstance(window, Items)
    with closing(Post(fence_path(str(stage.path)))) as post:
        post.occupy(0)
        post.hold(window.item_ids[0])

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
    tell(producer, Put(stage.queue_id, b"\0", [b"1"]))
    stage.turn()
    stage.broker._session.watchers[0].stale = True
    stage.broker._session.ledger.unsynced = False
    assert stage.broker._patience() > 1
    anchor.close()
    producer.close()
