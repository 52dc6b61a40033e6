"""Stages with a sink: what a load stores is there once, whoever dies, and the target too."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from persistq import Pipeline, failpoints
from persistq.blocks import JSON, block_of
from persistq.errors import UsageError
from persistq.pipeline import storing
from persistq.pipeline.storing import _packed, _unpacked
from tests.pipeline.program import Program, kill, until

from .targets import Place, Server

MakeProgram = Callable[[str], Program]

STORING = """
    from sqlalchemy import text
    from persistq.sinks import Sink
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def numbers():
        for number in range({count}):
            if number % 100 == 0:
                time.sleep({pace})
            yield number

    @pipeline.stage(sink=os.environ["TARGET"], {options})
    def store(numbers, conn):
        note("batch", len(numbers))
        {body}
        conn.execute(text("INSERT INTO rows VALUES (:n, 'x')"), [{{"n": n}} for n in numbers])
        return numbers

    @pipeline.stage
    def last(number):
        note("got", number)

    if __name__ == "__main__":
        pipeline.run()
"""


def script_of(
    body: str = "", *, options: str = "batch=10, linger=30", count: int = 30, pace: float = 0.0
) -> str:
    """Return a pipeline that stores numbers."""
    return STORING.format(body=body, options=options, count=count, pace=pace)


def settings_of(place: Place, **further: str) -> dict[str, str]:
    """Return the environment of a script that stores in a place."""
    sink = place.sink.target
    assert isinstance(sink, str)
    return {"TARGET": sink, **further}


def killed_after_store(script: Program) -> dict[str, str]:
    """Return what kills the first worker that has stored something, before it reports it."""
    hits = script.home / "hits"
    hits.mkdir()
    point = "worker.after_store@1:kill"
    return {failpoints.VARIABLE: point, failpoints.HITS_VARIABLE: str(hits)}


def stored(place: Place) -> list[int]:
    """Return the numbers that are stored, each as often as it is."""
    return place.rows


def got(script: Program) -> list[int]:
    """Return what the stage behind the sink got."""
    return sorted(int(line.split()[1]) for line in script.notes if line.startswith("got"))


def test_rows_are_stored_in_batches_and_no_receipt_is_left(
    program: MakeProgram, by_url: Place
) -> None:
    """What came of them goes on."""
    script = program(script_of())
    ended = script.run(**settings_of(by_url))
    assert ended.code == 0, ended.err
    assert stored(by_url) == got(script) == [*range(30)]
    assert by_url.receipts == []


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_rows_are_stored_however_workers_are_started(
    program: MakeProgram, sqlite: Place, method: str
) -> None:
    """The sink goes to them as a pickle."""
    script = program(script_of())
    assert script.run(**settings_of(sqlite, PERSISTQ_START_METHOD=method)).code == 0
    assert stored(sqlite) == [*range(30)]


def test_rows_are_stored_inline(program: MakeProgram, sqlite: Place) -> None:
    """For a debugger, as with processes."""
    script = program(script_of())
    ended = script.run(**settings_of(sqlite, PERSISTQ_WORKERS="0"))
    assert ended.code == 0, ended.err
    assert stored(sqlite) == got(script) == [*range(30)]
    assert sqlite.receipts == []


def test_what_is_stored_is_done_without_the_handler_and_its_outputs_go_on(
    program: MakeProgram, by_url: Place
) -> None:
    """Its worker died between the commit and its report."""
    script = program(script_of(count=10))
    armed = killed_after_store(script)
    ended = script.run(**settings_of(by_url, **armed))
    assert ended.code == 0, ended.err
    assert "WorkerDied" in ended.err
    assert stored(by_url) == got(script) == [*range(10)]
    assert script.counts["batch 10"] == 1
    assert by_url.receipts == []


def test_an_item_that_is_stored_and_parked_is_not_stored_again(
    program: MakeProgram, sqlite: Place
) -> None:
    """It is blamed for its worker's death after the commit; a retry finds its receipt."""
    text = script_of(options="max_crashes=1", count=1).replace("len(numbers)", "numbers")
    script = program(text.replace('[{"n": n} for n in numbers]', '{"n": numbers}'))
    armed = killed_after_store(script)
    assert script.run(**settings_of(sqlite, **armed)).code == 6
    assert (stored(sqlite), len(sqlite.receipts)) == ([0], 1)
    assert script.run(**settings_of(sqlite, PERSISTQ_RETRY_FAILED="true")).code == 0
    assert stored(sqlite) == got(script) == [0]
    assert sqlite.receipts == []


def test_bad_rows_are_parked_at_once_and_no_others(program: MakeProgram, by_url: Place) -> None:
    """With what the database says. It would say so again, so that nothing is retried."""
    script = program(
        script_of(
            "numbers = [-1 if n in {7, 23} else n for n in numbers]",
            options="batch=10, linger=30, retries=3, backoff=0",
        )
    )
    ended = script.run(**settings_of(by_url))
    assert ended.code == 6, ended.err
    assert stored(by_url) == [n for n in range(30) if n not in {7, 23}]
    assert script.rows("SELECT count(*) FROM failure") == [2]
    [message, _] = script.rows("SELECT message FROM failure")
    assert "check" in message.lower()
    assert "INSERT" not in message


def test_an_error_of_the_handler_is_retried_as_its_stage_says(
    program: MakeProgram, sqlite: Place
) -> None:
    """It may succeed another time. Nothing of an attempt that raised is stored."""
    body = """if 7 in numbers and noted("again") < 5:
            conn.execute(text("INSERT INTO rows VALUES (99, 'x')"))
            if len(numbers) == 1:
                note("again")
            if noted("again") < 2:
                raise ValueError("not yet")"""
    script = program(script_of(body, options="batch=10, linger=30, retries=3, backoff=0"))
    ended = script.run(**settings_of(sqlite))
    assert ended.code == 0, ended.err
    assert [n for n in stored(sqlite) if n != 99] == [*range(30)]
    assert script.rows("SELECT DISTINCT message FROM failure") == ["not yet"]


def test_drop_and_failed_are_heard_within_a_transaction(
    program: MakeProgram, sqlite: Place
) -> None:
    """What they name is not stored, and the others are."""
    body = """from persistq import Failed
        if 3 in numbers:
            raise Failed({numbers.index(3): Drop("old")})
        if 15 in numbers:
            raise Drop("all")"""
    script = program(script_of(body))
    ended = script.run(**settings_of(sqlite))
    assert ended.code == 0, ended.err
    assert stored(sqlite) == [n for n in range(30) if n != 3 and not 10 <= n < 20]
    assert script.queues()[0] == (30, 19, 11, 0)


def test_a_stage_rests_while_its_target_is_away(
    program: MakeProgram, postgresql: Place, server: Server
) -> None:
    """It says so, blames nobody, and goes on by itself."""
    script = program(script_of(count=300, pace=0.02))
    running = script.start(env=settings_of(postgresql))
    script.await_note("batch", 3)
    server.crash()
    until(lambda: "then goes on" in script.said(running))
    server.restart()
    ended = script.wait(running)
    assert ended.code == 0, ended.err
    assert stored(postgresql) == got(script) == [*range(300)]
    assert script.rows("SELECT count(*) FROM failure") == [0]
    assert postgresql.receipts == []


def test_a_target_that_never_comes_is_spoken_of_again_and_again(program: MakeProgram) -> None:
    """A wrong address, or password, is no reason to wait in silence; the load can be ended."""
    script = program(script_of())
    url = "postgresql+psycopg://nobody:secret@127.0.0.1:1/nothing"
    running = script.start(env={"TARGET": url})
    until(lambda: script.said(running).count("then goes on") >= 2)
    running.send_signal(signal.SIGTERM)
    ended = script.wait(running)
    assert ended.code == 143
    assert "store: waits 0.5 s" in ended.err
    assert "store: waits 1 s" in ended.err
    assert "secret" not in ended.err
    assert script.queues()[0] == (30, 0, 0, 0)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_each_row_is_stored_once(
    program: MakeProgram, by_url: Place, request: pytest.FixtureRequest, seed: int
) -> None:
    """Workers, broker, script, all of them, and a server of the target: no row twice or missing.

    The table has no keys.
    """
    dice = random.Random(seed)
    script = program(
        script_of(options="batch=20, linger=0.05, max_crashes=1000", count=1000, pace=0.3)
    )
    env = settings_of(by_url, PERSISTQ_ACK_INTERVAL="0.01")
    for role in ["worker", "broker", "script", "worker", "everything", "server"]:
        seen = sizes(script)
        running = script.start(env=env)
        script.await_note("batch", seen + dice.randint(1, 6))
        strike(script, running.pid, role, request, by_url)
        if role not in {"script", "broker", "everything"}:
            script.await_note("batch", sizes(script) + 1)
            kill(running.pid)
        script.wait(running)
        script.vanish()
    ended = script.run(**env)
    assert ended.code == 0, ended.err
    assert stored(by_url) == [*range(1000)]
    assert script.queues() == [(1000, 1000, 0, 0), (1000, 1000, 0, 0)]
    assert by_url.receipts == []


def sizes(script: Program) -> int:
    """Return how many batches the handler was called with."""
    return sum(line.startswith("batch") for line in script.notes)


def strike(
    script: Program, pid: int, role: str, request: pytest.FixtureRequest, place: Place
) -> None:
    """Kill somebody, if there is such a one."""
    if role == "server":
        if str(place.sink.target).startswith("postgresql"):
            server: Server = request.getfixturevalue("server")
            server.crash()
            server.restart()
        return
    processes = script.processes()
    brokers = [n for n, line in processes.items() if "persistq.broker" in line]
    victims = {
        "worker": [n for n in processes if n not in {pid, *brokers}][-1:],
        "broker": brokers,
        "script": [pid],
        "everything": [*processes],
    }
    for victim in victims[role]:
        kill(victim)


# --- the parts ---


def test_outputs_come_out_of_a_receipt_as_they_went_in() -> None:
    """Little as it is, and much as blocks; nothing takes no room."""
    made = [(JSON, b"1"), block_of(JSON, [b"1", b"2"]), (1, b"\x80")]
    assert _unpacked(_packed(made)) == made
    assert _packed(()) is None
    assert _unpacked(None) == ()


def test_receipts_are_deleted_when_done_records_are_on_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not before: a power cut may take the records away, and nothing would be known of the rows."""
    monkeypatch.setattr(storing, "PURGED_BATCHES", 2)
    monkeypatch.setattr(storing, "PURGED_BYTES", 100)
    happened: list[Any] = []

    class Place:
        keys = None
        hold = report = leave = get_together = lambda *_: None

        def flush(self) -> None:
            happened.append("flush")

        def runs(self, first: int, last: int) -> Any:
            yield "run", first, last

        def purge(self, run: str, first: int, last: int) -> None:
            happened.append((run, first, last))

        def open(self) -> Any:
            return self

    place: Any = Place()
    place.keys = place
    worker = storing.SinkWorker(place, place, place)
    worker._note_stored([1, 2, 3])
    assert happened == []
    worker._note_stored([7])
    assert happened == ["flush", ("run", 1, 3), ("run", 7, 7)]
    worker._note_stored([8])
    worker._purge()
    assert happened[3:] == ["flush", ("run", 8, 8)]
    worker._note_stored([9], 99)
    assert happened[5:] == []
    worker._note_stored([11], 1)
    assert happened[5:] == ["flush", ("run", 9, 9), ("run", 11, 11)]


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    """Where it is written, or when it is run."""
    with pytest.raises(UsageError, match="give a URL, or a function"):
        Pipeline("demo").stage(sink=object())(lambda number, conn: None)
    with pytest.raises(UsageError, match="'conn', which nobody fills"):
        Pipeline("demo").stage(lambda number, conn: None)
    pipeline = Pipeline("demo")
    pipeline.source(lambda: [1])
    pipeline.stage(sink=f"sqlite:///{tmp_path}/x", stream=True)(lambda number, conn: None)
    with pytest.raises(UsageError, match="stream=True does not go with sink="):
        pipeline.run(journal=str(tmp_path))
    assert [*tmp_path.iterdir()] == []
