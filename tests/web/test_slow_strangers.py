"""Who connects to the page and asks for nothing, or for ever, keeps no place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from persistq.web import connection
from persistq.web.connection import Connection

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
LIMIT_S = 20

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not make a test wait."""
    monkeypatch.setattr(connection, "PATIENCE_S", 0.1)


async def answer_late(scope: Any, receive: Any, send: Any) -> None:
    """Read a form, and answer when its sender has waited for longer than strangers may."""
    assert scope["type"] == "http"
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(6):
        await asyncio.sleep(connection.PATIENCE_S / 2)
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
    await send({"type": "http.response.body", "body": b"the end"})


def talk(to_server: Talk) -> None:
    """Connect to a server, and talk."""

    async def both() -> None:
        config = uvicorn.Config(answer_late, http=Connection, ws="none", lifespan="off")
        state, loop = ServerState(), asyncio.get_running_loop()
        config.load()
        server = await loop.create_server(
            lambda: Connection(config, state, {}, loop), "127.0.0.1", 0
        )
        async with server:
            host, port = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(host, port)
            await to_server(reader, writer)
            writer.close()

    asyncio.run(asyncio.wait_for(both(), LIMIT_S))


@pytest.mark.parametrize(
    "said", [b"", b"GET / HT", HEAD, HEAD + b"\r\nabc"], ids=["nothing", "line", "head", "body"]
)
def test_a_request_that_does_not_arrive_is_waited_for_so_long(said: bytes) -> None:
    """The connection is closed, without the end of an answer."""

    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        assert b"the end" not in await reader.read()

    talk(stranger)


def test_a_request_that_has_arrived_is_answered_however_long_that_takes() -> None:
    """So that a page can be followed."""

    async def reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\nabcde")
        assert b"the end" in await reader.readuntil(b"the end")

    talk(reading)
