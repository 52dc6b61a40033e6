"""How a browser comes in: by the address on the terminal, once, or by a token given out."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, RedirectResponse

from persistq.web.rendering import rendered
from persistq.web.tokens import Attempts

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from persistq.web.sessions import Sessions
    from persistq.web.tokens import Tickets, Tokens


class Entrance:
    """Lets browsers in.

    Args:
        tickets: Words that are used once; None if there are none.
        tokens: Words that were given out.
        sessions: Who is in.
        cookie: The name of the cookie that says so.
    """

    def __init__(
        self, tickets: Tickets | None, tokens: Tokens, sessions: Sessions, cookie: str
    ) -> None:
        self._tickets = tickets
        self._tokens = tokens
        self._sessions = sessions
        self._cookie = cookie
        self._attempts = Attempts()

    def stranger(self, request: Request) -> Response:
        """Answer who is not in: let him in by the address that he has, or say how to come in."""
        word = request.query_params.get("token")
        if request.method != "GET" or word is None:
            return self.refusal("")
        # What was given out for good does not belong into an address: those are kept and shown.
        if self._may_try() and self._tickets is not None and self._tickets.redeem(word):
            return self._let_in(request.url.path, is_secure=False)
        return self._wrong("this address was used before, or is not the latest one")

    def by_form(self, request: Request, word: str) -> Response:
        """Answer who has typed a word."""
        if self._may_try() and self._knows(word):
            origin = request.headers.get("origin", "")
            return self._let_in("/", is_secure=origin.startswith("https://"))
        return self._wrong("this lets nobody in")

    def by_header(self, request: Request) -> Response | None:
        """Answer a program that is in no session; None if it has a token that was given out."""
        scheme, _, word = request.headers.get("authorization", "").partition(" ")
        is_told = scheme.lower() == "bearer"
        if is_told and self._may_try() and self._tokens.knows(word.strip()):
            return None
        answer = self._wrong("this lets nobody in") if is_told else self.refusal("")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer

    def refusal(self, sentence: str, status: HTTPStatus = HTTPStatus.UNAUTHORIZED) -> Response:
        """Return the page that says how to come in."""
        values = {"sentence": sentence, "has_tickets": self._tickets is not None}
        return HTMLResponse(str(rendered("enter.html", values)), status)

    def _knows(self, word: str) -> bool:
        return self._tokens.knows(word) or (
            self._tickets is not None and self._tickets.redeem(word)
        )

    def _may_try(self) -> bool:
        return not self._attempts.wait

    def _wrong(self, sentence: str) -> Response:
        if wait := self._attempts.wait:
            answer = self.refusal(
                f"too many were wrong: try again in {wait:.0f} seconds",
                HTTPStatus.TOO_MANY_REQUESTS,
            )
            answer.headers["Retry-After"] = str(math.ceil(wait))
            return answer
        self._attempts.note_wrong()
        return self.refusal(sentence)

    def _let_in(self, path: str, *, is_secure: bool) -> Response:
        answer = RedirectResponse(path, HTTPStatus.SEE_OTHER)
        answer.set_cookie(
            self._cookie,
            self._sessions.begin(),
            httponly=True,
            samesite="strict",
            secure=is_secure,
            path="/",
        )
        return answer
