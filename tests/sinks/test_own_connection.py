"""`item.transaction`: an item is stored once with a connection of the handler's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from persistq import failpoints
from persistq.errors import UsageError
from persistq.pipeline.iteminfo import ItemInfo
from tests.pipeline.program import Program

from .targets import Place, Server, key, made
from .test_stages import MakeProgram, killed_after_store

SCRIPT = """
    from contextlib import closing
    pipeline = Pipeline("demo", workers=2)

    @pipeline.context
    def connection():
        {connect}

    @pipeline.source
    def numbers():
        yield from range(20)

    @pipeline.stage
    def store(number, item, ctx):
        note("called", number)
        with item.transaction(ctx) as fresh:
            if fresh:
                ctx.execute(f"INSERT INTO rows VALUES ({{number}}, 'x')")
        return number

    @pipeline.stage
    def last(number):
        note("got", number)

    if __name__ == "__main__":
        pipeline.run()
"""
CONNECT = {
    "sqlite3": 'import sqlite3; return sqlite3.connect("{where}", timeout=30)',
    "psycopg": 'import psycopg; return psycopg.connect("{where}")',
}


@pytest.fixture(params=["sqlite3", "psycopg"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty target, and how it is connected to."""
    server: Server | None = None
    if request.param == "psycopg":
        server = request.getfixturevalue("server")
    return made(request.param, tmp_path, server)


@pytest.fixture
def connection(target: Place) -> Iterator[Any]:
    """A connection of the handler's own."""
    with target.other() as connection:
        yield connection


def item(n: int) -> ItemInfo:
    """Return the n-th item."""
    run, item_id = key(n)
    return ItemInfo(n, 1, "store", f"{run}-{item_id}")


def store(target: Place, connection: Any, n: int) -> bool:
    """Store an item; return whether it was not stored before."""
    with item(n).transaction(connection) as fresh:
        if fresh:
            target.insert(connection, n)
    return fresh


def test_an_item_is_stored_once(target: Place, connection: Any) -> None:
    """The second attempt learns that it is there."""
    assert [store(target, connection, n) for n in (1, 2, 1)] == [True, True, False]
    assert target.rows == target.receipts == [1, 2]


def test_what_raises_leaves_nothing(target: Place, connection: Any) -> None:
    """Neither the row nor the receipt; the connection can be used again."""
    with suppress(ZeroDivisionError), item(1).transaction(connection):
        target.insert(connection, 1)
        raise ZeroDivisionError
    assert target.rows == target.receipts == []
    assert store(target, connection, 1)


def commit_within(target: Place, connection: Any) -> None:
    """Store an item, and commit by oneself."""
    with item(1).transaction(connection):
        target.insert(connection, 1)
        connection.commit()


def test_who_commits_within_is_refused(target: Place, connection: Any) -> None:
    """Nothing is stored that has no receipt."""
    with pytest.raises(Exception, match=r"not authorized|forbidden"):
        commit_within(target, connection)
    assert target.rows == target.receipts == []


def test_a_connection_in_a_transaction_is_refused(target: Place, connection: Any) -> None:
    """What was begun before would be committed with it."""
    assert store(target, connection, 1)
    target.insert(connection, 5)
    with pytest.raises(UsageError, match="inside a transaction"):
        store(target, connection, 2)


@pytest.mark.parametrize("given", [object(), "sqlite://"])
def test_what_is_no_connection_is_refused(given: Any) -> None:
    """One sentence says what is one."""
    with pytest.raises(UsageError, match=r"psycopg\.Connection or a sqlite3\.Connection"):
        item(1).transaction(given).__enter__()


def test_a_worker_killed_behind_the_commit_stores_nothing_twice(
    program: MakeProgram, target: Place
) -> None:
    """Its item is handed out again, and what comes of it goes on."""
    text = SCRIPT.format(connect=CONNECT[target.kind].format(where=target.where))
    script: Program = program(text)
    armed = killed_after_store(script)
    armed[failpoints.VARIABLE] = "sink.after_commit@1:kill"
    ended = script.run(**armed)
    assert ended.code == 0, ended.err
    assert sum(line.startswith("called") for line in script.notes) == 21
    assert target.rows == [*range(20)]
    assert script.queues() == [(20, 20, 0, 0), (20, 20, 0, 0)]
