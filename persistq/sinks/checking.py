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
from persistq.sinks.sink import Sink, engine_of
from persistq.text.masking import masked_text
from persistq.text.terminal import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

CONNECT_S: Final = 5
"""How long a start waits for a server that does not answer; its stage waits on."""

_TAKE_SECONDS: Final = frozenset({"psycopg", "psycopg2", "pymysql", "mysqldb"})
"""Drivers that take ``connect_timeout``."""


def check(sink: object) -> None:
    """Refuse a sink by URL that no waiting will mend, before anything is opened.

    A function is not called: it is made for the worker processes.

    Crash: the table of receipts is there or not.

    Args:
        sink: A `Sink`, or another kind, of which nothing is known before.

    Raises:
        UsageError: It is no URL, its driver is missing, its host or directory is unknown, the
            server does not take the password, or the table of receipts cannot be made.
    """
    if not isinstance(sink, Sink) or not isinstance(sink.target, str):
        return
    engine = engine_of(sink.target)
    engine.dispose()
    if engine.dialect.name == "sqlite":
        _require_directory(sink, engine.url)
        return
    _require_host(sink, engine.url)
    try:
        Sink(_patient(engine.url), sink.schema).open().close()
    except SinkUnavailable as error:
        if (refusal := next(_refusals(error), None)) is not None:
            words = excerpt(" ".join(masked_text(str(refusal)).split()))
            raise UsageError(f"{sink}: the server refuses this user: {words}") from error


def _require_directory(sink: Sink, url: URL) -> None:
    file = url.database or ":memory:"
    if file == ":memory:" or file.startswith("file:"):
        return
    if not (directory := Path(file).absolute().parent).is_dir():
        raise UsageError(f"{sink}: there is no directory {directory}")


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
