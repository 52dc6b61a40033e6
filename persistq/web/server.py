"""Serving pages until somebody says that it is enough."""

from __future__ import annotations

import logging
import socket
from types import FrameType
from typing import TYPE_CHECKING, Final

import uvicorn

from persistq.errors import UsageError
from persistq.web.connection import Connection

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from persistq.web.live import Live

CONNECTIONS: Final = 64
"""Connections at the same time; further ones are told to come again."""

_BACKLOG: Final = 64
_GRACE_S: Final = 5


class _Server(uvicorn.Server):
    """Ends what is followed before it waits for connections to end."""

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self._live = live

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._live.end()
        super().handle_exit(sig, frame)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: An address of this machine, or its name.
        port: The port; 0 takes one that is free.

    Raises:
        UsageError: That cannot be done.
    """
    try:
        [(family, kind, _, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        made = socket.socket(family, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_BACKLOG)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"nothing can listen at {host} port {port}: {reason}; --port 0 takes a free one"
        ) from None
    return made


def serve(app: ASGIApp, live: Live, at: socket.socket) -> None:
    """Serve pages until SIGINT or SIGTERM.

    Args:
        app: The pages.
        live: What follows them.
        at: Where to listen.
    """
    # Whoever connects may send nonsense, and nobody wants to read of it.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = uvicorn.Config(
        app,
        access_log=False,
        h11_max_incomplete_event_size=16 << 10,
        http=Connection,
        lifespan="off",
        limit_concurrency=CONNECTIONS,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        ws="none",
    )
    _Server(config, live).run(sockets=[at])
