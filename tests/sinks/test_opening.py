"""What may be given as a sink, and what is said of everything else."""

from __future__ import annotations

import pickle
import socket
import sqlite3
import threading
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from persistq import Pipeline
from persistq.errors import UsageError
from persistq.sinks import FileSink, Sink, Stored
from persistq.sinks.checking import check

from .targets import EVERY, RUN, Place, Server, key, made


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
    assert loader.purge(RUN, *EVERY) == 1
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


# --- before a load begins -------------------------------------------------------------------------


def refusal_of(target: str) -> str:
    """Return why a load does not begin; one sentence, without the password."""
    with pytest.raises(UsageError) as caught:
        check(Sink(target))
    said = str(caught.value)
    assert "\n" not in said
    assert "secret" not in said
    return said


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("loads.db", "is no URL of a database"),
        ("mysql+pymysql://me:secret@host/x", "'pymysql' is missing"),
        ("postgresql+psycopg://me:secret@no-such-host.invalid/x", "no host 'no-such-host.invalid'"),
        ("sqlite:////no/such/place/target.db", "no directory /no/such/place"),
    ],
)
def test_a_mistake_in_a_url_is_told_before_a_load_begins(
    url: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No waiting would mend it."""
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    monkeypatch.setattr(socket, "getaddrinfo", Mock(side_effect=unknown))
    assert words in refusal_of(url)


def test_a_file_that_is_no_database_is_told_before_a_load_begins(tmp_path: Path) -> None:
    """Nor a directory; an empty file is a database that nothing is in yet."""
    for name, content in (("notes.txt", b"Dear diary"), ("half", b"SQLite format 3")):
        (tmp_path / name).write_bytes(content)
        assert f"{name} is no SQLite database" in refusal_of(f"sqlite:///{tmp_path}/{name}")
        with pytest.raises(UsageError, match="is no SQLite database"):
            check(FileSink(str(tmp_path / name)))
    assert "Is a directory" in refusal_of(f"sqlite:///{tmp_path}")
    with pytest.raises(UsageError, match="no directory /no/such/place"):
        check(FileSink("/no/such/place/receipts.db"))
    (tmp_path / "empty.db").touch()
    check(Sink(f"sqlite:///{tmp_path}/empty.db"))
    place = made("sqlite3", tmp_path, None)
    check(Sink(f"sqlite:///{place.where}"))


@pytest.mark.parametrize("kind", ["by URL", "sqlite3"])
def test_a_file_that_is_no_database_is_no_target_that_is_away(tmp_path: Path, kind: str) -> None:
    """Waiting for it would never end; a function says only in a worker which file it is."""
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary, " * 100)
    target = f"sqlite:///{path}" if kind == "by URL" else lambda: sqlite3.connect(path)
    with pytest.raises(UsageError, match="no SQLite database"):
        Sink(target).open()
    assert path.read_text() == "Dear diary, " * 100


def test_a_name_that_cannot_be_looked_up_now_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is away."""
    later = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    monkeypatch.setattr(socket, "getaddrinfo", Mock(side_effect=later))
    check(Sink("postgresql+psycopg://me:secret@no-such-host.invalid/x"))


def test_a_wrong_password_is_told_before_a_load_begins(server: Server) -> None:
    """Also one that is missing; with the right one the sink is taken."""
    server.ask_for_password("locked", "right")
    assert server.url.count("postgres:@") == 1
    for given in ("locked:secret@", "locked@"):
        assert "refuses this user" in refusal_of(server.url.replace("postgres:@", given))
    check(Sink(server.url.replace("postgres:@", "locked:right@"), "locked"))


def test_a_target_that_is_away_is_no_mistake(tmp_path: Path) -> None:
    """It may be there when the first batch is; and a file is not made before that."""
    check(Sink("postgresql+psycopg://me:secret@127.0.0.1:1/x"))
    check(Sink(f"sqlite:///{tmp_path}/target.db"))
    check(Sink("sqlite://"))
    assert [*tmp_path.iterdir()] == []


def test_a_function_is_called_in_workers_alone() -> None:
    """What it returns belongs to the process that calls it."""
    check(Sink(lambda: pytest.fail("it was called")))
    check(FileSink("receipts.db"))


def test_a_load_with_a_mistaken_sink_does_not_begin(tmp_path: Path) -> None:
    """No journal is made."""
    pipeline = Pipeline("demo")
    pipeline.source(lambda: [1])
    pipeline.stage(sink="sqlite:////no/such/place/target.db")(lambda number, conn: None)
    with pytest.raises(UsageError, match="no directory /no/such/place"):
        pipeline.run(journal=str(tmp_path))
    assert [*tmp_path.iterdir()] == []
