"""What stands in front of every page: who may ask, from where, and what browsers are to refuse."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from persistq.web.hosts import is_origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from persistq.web.hosts import Hosts
    from persistq.web.sessions import Sessions

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # With `no-referrer` browsers leave the origin of a form out as well.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}

OPEN_TO_ALL: Final = ("/enter", "/metrics", "/static/")
"""Where nothing of a journal is, or where it is asked by another way who may come in."""


class Guard:
    """Answers what must not reach a page, and adds the headers to every answer.

    What reaches one has ``session`` in its scope: the session, or None where all may come.

    Args:
        app: The pages.
        hosts: The names under which they may be asked for.
        sessions: Who is in.
        cookie: The name of their cookie.
        stranger: Makes the answer to who is not in.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Hosts,
        sessions: Sessions,
        cookie: str,
        stranger: Callable[[Request], Response],
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._sessions = sessions
        self._cookie = cookie
        self._stranger = stranger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, _with_headers(send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._refused(scope)
        if refused is not None:
            await refused(scope, receive, send)
            return
        request = Request(scope)
        scope["session"] = self._sessions.find(request.cookies.get(self._cookie, ""))
        if scope["session"] is None and not scope["path"].startswith(OPEN_TO_ALL):
            await self._stranger(request)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refused(self, scope: Scope) -> Response | None:
        """Return the answer to a request that no page of this server makes; None to all others."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._hosts.allow(host):
            return _no(
                HTTPStatus.MISDIRECTED_REQUEST,
                "this server does not go by that name: give it with --allow-host",
            )
        if scope["method"] not in {"GET", "HEAD", "POST"}:
            return _no(HTTPStatus.METHOD_NOT_ALLOWED, "pages are read, and orders are posted")
        if scope["method"] == "POST" and not _is_own_page(headers, host):
            return _no(HTTPStatus.FORBIDDEN, "an order has to come from a page of this server")
        if _is_embedded(headers):
            return _no(HTTPStatus.FORBIDDEN, "other sites' pages have nothing to ask here")
        return None


def _is_own_page(headers: Headers, host: str) -> bool:
    """Return whether a browser says that a page of this server gives an order."""
    site = headers.get("sec-fetch-site", "same-origin")
    return site == "same-origin" and is_origin(headers.get("origin", ""), host)


def _is_embedded(headers: Headers) -> bool:
    """Return whether a page of another site wants to have something in itself."""
    if headers.get("sec-fetch-site") not in {"cross-site", "same-site"}:
        return False
    followed = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
    return followed != ("navigate", "document")


def _no(status: HTTPStatus, sentence: str) -> Response:
    return PlainTextResponse(f"{sentence}\n", status)


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent
