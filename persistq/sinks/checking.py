"""What can be known of a sink before a load begins: whoever has mistyped its URL is told at once.

A target that is away is no mistake: it may be back when the first batch is there, and a stage waits
for it. So a refusal needs something that waiting would not mend, and that is not read in a message:
messages are in the server's language.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from persistq.errors import SinkUnavailable, UsageError
from persistq.sinks.late import FileSink
from persistq.sinks.sink import Sink, engine_of
from persistq.sinks.trying import Tried
from persistq.text.masking import masked_text
from persistq.text.terminal import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

CONNECT_S: Final = 5
"""How long a start waits for a server that does not answer; its stage waits on."""

_TAKE_SECONDS: Final = frozenset({"psycopg", "psycopg2", "pymysql", "mysqldb"})
"""Drivers that take ``connect_timeout``."""


_SQLITE: Final = b"SQLite format 3\0"
"""What a database file begins with; one of no length is a database too."""


def check(sink: object) -> None:
    """Refuse a sink by URL that no waiting will mend, before anything is opened.

    A function is not called: it is made for the worker processes.

    Crash: the table of receipts is there or not.

    Args:
        sink: A `Sink`, a `FileSink`, one of both that is `Tried`, or another kind, of which nothing
            is known before.

    Raises:
        UsageError: It is no URL, its driver is missing, its host or directory is unknown, its file
            is no database, the server does not take the password, or the table of receipts cannot
            be made.
    """
    tried, sink = isinstance(sink, Tried), sink.sink if isinstance(sink, Tried) else sink
    if isinstance(sink, FileSink):
        sink.check()
    if isinstance(sink, FileSink) and sink.receipts:
        _require_database(f"the receipts {sink.receipts}", Path(sink.receipts))
    if not isinstance(sink, Sink) or not isinstance(sink.target, str):
        return
    engine = engine_of(sink.target)
    engine.dispose()
    if engine.dialect.name == "sqlite":
        # Other drivers may have another format: encrypted, for example.
        if engine.driver == "pysqlite" and (file := _file_of(engine.url)) is not None:
            _require_database(str(sink), file)
        return
    _require_host(sink, engine.url)
    try:
        patient = Sink(_patient(engine.url), sink.schema)
        (patient.connect() if tried else patient.open()).close()
    except SinkUnavailable as error:
        if (refusal := next(_refusals(error), None)) is not None:
            words = excerpt(" ".join(masked_text(str(refusal)).split()))
            raise UsageError(f"{sink}: the server refuses this user: {words}") from error


def require_file(sink: Sink) -> None:
    """Refuse a SQLite file that is not there, before it is made by looking into it.

    Args:
        sink: Any; others than SQLite files by URL are passed over.

    Raises:
        UsageError: There is no such file.
    """
    if not isinstance(sink.target, str):
        return
    url = engine_of(sink.target).url
    file = _file_of(url) if url.get_backend_name() == "sqlite" else None
    if file is not None and not file.exists():
        raise UsageError(f"{sink}: there is no file {file.absolute()}")


def _file_of(url: URL) -> Path | None:
    """Return the file of a URL of SQLite; None if it has none, or says so in SQLite's own way."""
    file = url.database or ":memory:"
    return None if file == ":memory:" or file.startswith("file:") else Path(file)


def _require_database(whose: str, file: Path) -> None:
    """Require that a file is a database of SQLite, or can be made.

    Raises:
        UsageError: It is another file, or there is no directory for it.
    """
    if not (directory := file.absolute().parent).is_dir():
        raise UsageError(f"{whose}: there is no directory {directory}")
    try:
        with file.open("rb") as opened:
            start = opened.read(len(_SQLITE))
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{whose}: {error.strerror}: {file.absolute()}") from error
    if start not in {b"", _SQLITE}:
        raise UsageError(f"{whose}: {file.absolute()} is no SQLite database")


def _require_host(sink: Sink, url: URL) -> None:
    if not url.host or url.host.startswith("/"):
        return
    try:
        socket.getaddrinfo(url.host, url.port)
    except socket.gaierror as error:
        # Others, such as EAI_AGAIN, are those of a network that is away.
        if error.errno == socket.EAI_NONAME:
            raise UsageError(f"{sink}: there is no host {url.host!r}") from error


def _patient(url: URL) -> str:
    """Return a URL with a limit for the time that connecting takes, where the driver knows one."""
    if url.get_driver_name() in _TAKE_SECONDS and "connect_timeout" not in url.query:
        url = url.update_query_dict({"connect_timeout": str(CONNECT_S)})
    return url.render_as_string(hide_password=False)


def _refusals(error: BaseException | None) -> Iterator[BaseException]:
    """Yield what says that a server was there, and has asked for a password that it did not get."""
    while error is not None:
        state: Any = getattr(error, "pgconn", None)
        if state is not None and (state.needs_password or state.used_password):
            yield error
        error = error.__cause__
