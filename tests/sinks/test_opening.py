"""What may be given as a sink, and what is said of everything else."""

from __future__ import annotations

import pickle
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from persistq.errors import UsageError
from persistq.sinks import Sink, Stored

from .targets import Place, Server, key, made


def test_a_sink_can_be_pickled() -> None:
    """Spawned workers get it so; it holds no connection."""
    sink = Sink("sqlite:///x.db", "main")
    assert pickle.loads(pickle.dumps(sink)) == sink


def test_workers_that_open_at_once_make_one_table(place: Place) -> None:
    """Each of them finds it missing."""
    errors: list[BaseException] = []

    def open_one() -> None:
        try:
            place.sink.open().close()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            errors.append(error)

    threads = [threading.Thread(target=open_one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert place.receipts == []


def test_receipts_are_kept_in_the_schema_that_is_named(server: Server, tmp_path: Path) -> None:
    """Whatever the connection's own schema is."""
    place = made("postgresql by URL", tmp_path, server)
    place.run("CREATE SCHEMA IF NOT EXISTS bookkeeping")
    loader = Sink(place.where, "bookkeeping").open()
    assert loader.load([key(1)], place.handler([1])) == [Stored(None)]
    loader.close()
    assert place.query("SELECT count(*) FROM bookkeeping.persistq_receipt") == [(1,)]
    place.run("DROP SCHEMA bookkeeping CASCADE")


def test_who_may_not_make_the_table_is_told_what_to_do(server: Server, tmp_path: Path) -> None:
    """One sentence, with the command that prints the SQL; with it, the sink works."""
    place = made("postgresql by URL", tmp_path, server)
    schema = place.where.rpartition("%3D")[2]
    place.run(
        f"CREATE ROLE {schema}_user LOGIN",
        f"GRANT USAGE ON SCHEMA {schema} TO {schema}_user",
        "GRANT ALL ON rows TO PUBLIC",
    )
    sink = Sink(place.where.replace("postgres:@", f"{schema}_user:@"))
    with pytest.raises(UsageError, match="persistq sink sql"):
        sink.open()
    place.open().close()
    place.run("GRANT SELECT, INSERT, DELETE ON persistq_receipt TO PUBLIC")
    loader = sink.open()
    assert loader.load([key(1)], place.handler([1])) == [Stored(None)]
    assert loader.purge_runs([key(1).partition("-")[0]]) == 1
    loader.close()


def test_a_table_of_that_name_that_is_anothers_is_not_touched(place: Place) -> None:
    """It is refused, and stays as it is."""
    place.run("CREATE TABLE persistq_receipt (id INTEGER)")
    with pytest.raises(UsageError, match="another's"):
        place.sink.open()
    assert place.query("SELECT * FROM persistq_receipt") == []


@pytest.mark.parametrize("given", [7, None, b"sqlite://"])
def test_a_sink_is_a_url_or_a_function(given: Any) -> None:
    """Nothing else is taken."""
    with pytest.raises(UsageError, match="give a URL, or a function"):
        Sink(given)


def test_a_connection_of_this_process_is_refused(tmp_path: Path) -> None:
    """It is of no use in another process; an engine's would be torn between them."""
    from sqlalchemy import create_engine

    connection = sqlite3.connect(tmp_path / "x.db")
    connection.close()
    for made_here in (create_engine("sqlite://"), connection):
        with pytest.raises(UsageError, match="of this process"):
            Sink(made_here)  # type: ignore[arg-type]


def test_what_the_function_returns_is_looked_at() -> None:
    """Another kind of connection is named."""
    with pytest.raises(UsageError, match=r"returned a builtins\.dict"):
        Sink(dict).open()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("loads.db", "is no URL of a database"),
        ("nosuch://me:secret@host/x", "is no URL of a database"),
        ("mysql+pymysql://me:secret@host/x", "'pymysql' is missing"),
    ],
)
def test_a_url_that_leads_nowhere_is_told_without_its_password(url: str, words: str) -> None:
    """One sentence."""
    with pytest.raises(UsageError, match=words) as caught:
        Sink(url).open()
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("schema", ["", "a b", 'x"; DROP', "a.b"])
def test_a_schema_is_a_name(schema: str) -> None:
    """It stands in SQL."""
    with pytest.raises(UsageError, match="schema"):
        Sink("sqlite://", schema)


def test_a_connection_without_transactions_is_refused(server: Server, tmp_path: Path) -> None:
    """Where each statement commits itself, nothing could be rolled back."""
    from sqlalchemy import create_engine

    place = made("postgresql by URL", tmp_path, server)
    sink = Sink(lambda: create_engine(place.where, isolation_level="AUTOCOMMIT"))
    with pytest.raises(UsageError, match="AUTOCOMMIT"):
        sink.open()


@pytest.mark.parametrize("kind", ["sqlite3", "psycopg"])
def test_a_connection_that_is_in_a_transaction_is_refused(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    """What was begun there is not persistq's to commit."""
    server = request.getfixturevalue("server") if kind == "psycopg" else None
    place = made(kind, tmp_path, server)
    connections = []

    def connect() -> Any:
        connection = place.sink.target()  # type: ignore[operator]
        connection.execute("INSERT INTO rows VALUES (1, 'x')")
        connections.append(connection)
        return connection

    with pytest.raises(UsageError, match="inside a transaction"):
        Sink(connect).open()
    for connection in connections:
        connection.close()
    assert place.rows == []
