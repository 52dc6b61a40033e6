"""Redis Streams: a server with a file that it appends to, and a group of consumers."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from contest import Outcome
from crew import Crew
from places import count_marks, make_marks, open_marks

PACKAGE = "redis"
PROGRAM = "redis-server"
DURABLE = {
    "everysec": "every entry and acknowledgement, within a second (append-only file, everysec)",
    "always": "every entry and acknowledgement, before it is answered (append-only file, always)",
}

# Relative: the path of a socket must be short, and all processes share their directory.
_SOCKET = "redis.sock"
_STREAM, _GROUP, _CLOSED = "items", "workers", "closed"
_FIELD = b"n"
_START_S = 20.0
_WAIT_MS = 10


def drain(items: int, workers: int, sync: str, put: int, take: int) -> Outcome:
    """Add integers while workers drain the stream, until all are acknowledged.

    Args:
        items: Number of items.
        workers: Number of consumers.
        sync: When the server syncs its file, ``everysec`` or ``always``.
        put: Items added in one pipeline.
        take: Most items read and acknowledged at a time.
    """
    make_marks(items)
    with _server(sync) as client:
        client.xgroup_create(_STREAM, _GROUP, id="0", mkstream=True)
        crew = Crew(workers, _take, take, arrive=_client)
        crew.begin()
        began = time.monotonic()
        _put(client, items, put)
        filled = time.monotonic() - began
        client.set(_CLOSED, 1)
        took = crew.join().ended - began
        left = client.xpending(_STREAM, _GROUP)["pending"]
    return Outcome(items / took, count_marks(), {"put_rate": items / filled, "left": left})


@contextmanager
def _server(sync: str) -> Iterator[Any]:
    """Run a server in the current directory, that nobody reaches over a network."""
    options = ["--port", "0", "--unixsocket", _SOCKET, "--save", "", "--appendonly", "yes"]
    process = subprocess.Popen(
        [PROGRAM, *options, "--appendfsync", sync, "--logfile", "redis.log"],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield _answering(process)
    finally:
        process.terminate()
        process.wait()


def _answering(process: subprocess.Popen[bytes]) -> Any:
    from redis.exceptions import ConnectionError as NotYet

    client, until = _client(), time.monotonic() + _START_S
    while True:
        try:
            client.ping()
            return client
        except NotYet:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _client() -> Any:
    from redis import Redis

    return Redis(unix_socket_path=_SOCKET)


def _put(client: Any, items: int, put: int) -> None:
    if put == 1:
        for item in range(items):
            client.xadd(_STREAM, {_FIELD: item})
        return
    for start in range(0, items, put):
        pipeline = client.pipeline(transaction=False)
        for item in range(start, min(start + put, items)):
            pipeline.xadd(_STREAM, {_FIELD: item})
        pipeline.execute()


def _take(client: Any, take: int) -> float:
    marks, name = open_marks(), str(os.getpid())
    last, waited = time.monotonic(), False
    while True:
        # Asked before: what was added until it was closed is then there to be read.
        closed = waited and client.exists(_CLOSED)
        entries = _read(client, name, take)
        waited = not entries
        if waited:
            if closed:
                return last
            continue
        for _, fields in entries:
            marks[int(fields[_FIELD])] += 1
        client.xack(_STREAM, _GROUP, *(entry_id for entry_id, _ in entries))
        last = time.monotonic()


def _read(client: Any, name: str, take: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
    found = client.xreadgroup(_GROUP, name, {_STREAM: ">"}, count=take, block=_WAIT_MS)
    return [entry for _, entries in found or () for entry in entries]
