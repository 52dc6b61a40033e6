"""The application: which path is which page, and where orders go."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from anyio import to_thread
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from persistq.errors import (
    FolderError,
    JournalError,
    JournalMissing,
    PersistqError,
    UsageError,
)
from persistq.folder.finding import folders_of
from persistq.metrics import CONTENT_TYPE, exposition
from persistq.text.masking import masked_text
from persistq.text.terminal import printable
from persistq.web import folderorders, orders
from persistq.web.courses import Courses
from persistq.web.entrance import Entrance
from persistq.web.failures import failures_page
from persistq.web.folderpage import folder_page
from persistq.web.forms import form_of
from persistq.web.guard import Guard
from persistq.web.itemspage import item_page, item_sought, items_page
from persistq.web.live import Live
from persistq.web.loadpage import load_page
from persistq.web.overview import Rows, overview
from persistq.web.rendering import rendered
from persistq.web.sessions import Said, Sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from persistq.web.folders import Folders
    from persistq.web.hosts import Hosts
    from persistq.web.journals import Journals
    from persistq.web.page import Page, Query
    from persistq.web.sessions import Session
    from persistq.web.tokens import Tickets, Tokens

_ORDERS: Final = {"retry": orders.retry, "drop": orders.drop, "edit": orders.edit}

_FOLDER_ORDERS: Final = {
    "retry": folderorders.retry,
    "pause": folderorders.pause,
    "resume": folderorders.resume,
    "recover": folderorders.recover,
}

_STATIC: Final[list[str | tuple[str, str]]] = [
    ("persistq.web", "static"),
    ("persistq.report", "static"),
]
"""The charts' library is there once, for reports and for pages."""


class Doors(NamedTuple):
    """Who may come in, and by which names.

    Attributes:
        hosts: The names under which pages may be asked for.
        tickets: Words that let one browser in; None if there are none.
        tokens: Words that were given out.
        cookie: The name of the cookie of who is in.
    """

    hosts: Hosts
    tickets: Tickets | None
    tokens: Tokens
    cookie: str


class Pages:
    """All pages of a directory of journals, and of folders.

    Attributes:
        live: Follows them.

    Args:
        journals: All journals.
        folders: All folders.
        doors: Who may come in.
    """

    def __init__(self, journals: Journals, folders: Folders, doors: Doors) -> None:
        self._journals = journals
        self._folders = folders
        self._courses = Courses()
        self._rows = Rows()
        self._sessions = Sessions()
        self._doors = doors
        self._entrance = Entrance(doors.tickets, doors.tokens, self._sessions, doors.cookie)
        self.live = Live(journals, folders)

    def app(self) -> ASGIApp:
        """Return the application, with its guard in front."""
        routes = [
            Route("/", self._show, methods=["GET"]),
            Route("/j/{name}", self._show, methods=["GET"]),
            Route("/j/{name}/failures", self._show, methods=["GET"]),
            Route("/j/{name}/items", self._list_items, methods=["GET"]),
            Route("/j/{name}/items/{item:path}", self._show, methods=["GET"]),
            *(Route(f"/j/{{name}}/{verb}", self._order, methods=["POST"]) for verb in _ORDERS),
            Route("/f/{name}", self._show, methods=["GET"]),
            *(Route(f"/f/{{name}}/{one}", self._order, methods=["POST"]) for one in _FOLDER_ORDERS),
            Route("/live", self._follow, methods=["GET"]),
            Route("/metrics", self._measure, methods=["GET"]),
            Route("/enter", self._enter, methods=["POST"]),
            Route("/leave", self._leave, methods=["POST"]),
            Mount("/static", StaticFiles(packages=_STATIC)),
        ]
        return Guard(
            Starlette(routes=routes, exception_handlers={HTTPException: _not_there}),
            hosts=self._doors.hosts,
            sessions=self._sessions,
            cookie=self._doors.cookie,
            stranger=self._entrance.stranger,
        )

    # --- pages ---

    async def _show(self, request: Request) -> Response:
        if "token" in request.query_params:
            return RedirectResponse(request.url.path, HTTPStatus.SEE_OTHER)
        return await self._answered(request, request.scope["path"], request.query_params)

    async def _list_items(self, request: Request) -> Response:
        name, query = request.path_params["name"], request.query_params
        try:
            path = await to_thread.run_sync(item_sought, self._journals, name, query)
        except PersistqError as error:
            session = _session_of(request)
            session.said = Said(_told(error), is_bad=True)
            query = QueryParams([pair for pair in query.multi_items() if pair[0] != "q"])
            return await self._answered(request, request.scope["path"], query)
        if path is not None:
            return RedirectResponse(path, HTTPStatus.SEE_OTHER)
        return await self._answered(request, request.scope["path"], query)

    async def _answered(self, request: Request, path: str, query: Query) -> Response:
        session = _session_of(request)
        make = self._maker(path, query, session)
        if make is None:
            return _error_page("there is no such page", HTTPStatus.NOT_FOUND)
        try:
            page = await to_thread.run_sync(self._fresh, path, make)
        except PersistqError as error:
            return _error_page(_told(error), _status_of(error))
        at = f"{quote(path)}?{request.url.query}"
        values = {"page": page, "session": session, "at": at if page.parts else None}
        return HTMLResponse(str(rendered("base.html", values | {"said": session.take_said()})))

    def _fresh(self, path: str, make: Callable[[], Page]) -> Page:
        if not path.startswith("/f/"):
            self._journals.refresh()
        if not path.startswith("/j/"):
            self._folders.refresh()
        return make()

    def _maker(self, path: str, query: Query, session: Session) -> Callable[[], Page] | None:
        """Return what makes the page at a path, or None if there is none."""
        token, journals = session.order_token, self._journals
        match path.split("/")[1:]:
            case [""]:
                return partial(overview, journals, self._folders, self._rows)
            case ["f", key]:
                return partial(folder_page, self._folders, key, token)
            case ["j", name]:
                return partial(load_page, journals, self._courses, name, query)
            case ["j", name, "failures"]:
                return partial(failures_page, journals, name, query, token)
            case ["j", name, "items"]:
                return partial(items_page, journals, name, query)
            case ["j", name, "items", *item]:
                return partial(item_page, journals, name, "/".join(item), query, token)
        return None

    async def _follow(self, request: Request) -> Response:
        parts = urlsplit(request.query_params.get("at", ""))
        path = unquote(parts.path)
        make = self._maker(path, QueryParams(parse_qsl(parts.query)), _session_of(request))
        if make is None:
            return PlainTextResponse("there is no such page\n", HTTPStatus.NOT_FOUND)
        if self.live.is_full:
            return PlainTextResponse("too many pages are open\n", HTTPStatus.SERVICE_UNAVAILABLE)
        cookie = request.cookies.get(self._doors.cookie, "")
        events = self.live.events(path, make, is_in=partial(self._sessions.has, cookie))
        return StreamingResponse(events, media_type="text/event-stream")

    async def _measure(self, request: Request) -> Response:
        """Answer Prometheus, which shows a token, or a browser, which has a session."""
        if request.scope["session"] is None:
            refused = self._entrance.by_header(request)
            if refused is not None:
                return refused
        try:
            text = await to_thread.run_sync(self._metrics)
        except PersistqError as error:
            return PlainTextResponse(f"{_told(error)}\n", HTTPStatus.SERVICE_UNAVAILABLE)
        return Response(text, media_type=CONTENT_TYPE)

    def _metrics(self) -> str:
        return exposition(self._journals.sites(), folders_of(self._journals.directory))

    # --- orders ---

    async def _order(self, request: Request) -> Response:
        session = _session_of(request)
        try:
            form = await form_of(request)
        except UsageError as error:
            return _error_page(_told(error), HTTPStatus.BAD_REQUEST)
        if not session.may_order(form.get("order", "")):
            return _error_page(_NOT_FROM_HERE, HTTPStatus.FORBIDDEN)
        session.said = await to_thread.run_sync(self._carried_out, request.scope["path"], form)
        return RedirectResponse(_back(form), HTTPStatus.SEE_OTHER)

    def _carried_out(self, path: str, form: Query) -> Said:
        kind, name, verb = path.split("/")[1:4]
        try:
            if kind == "f":
                said = _FOLDER_ORDERS[verb](self._folders, name, form)
            else:
                said = _ORDERS[verb](self._journals, name, form)
            return Said(said, is_bad=False)
        except PersistqError as error:
            return Said(_told(error), is_bad=True)

    # --- coming and going ---

    async def _enter(self, request: Request) -> Response:
        try:
            form = await form_of(request)
        except UsageError as error:
            return self._entrance.refusal(str(error), HTTPStatus.BAD_REQUEST)
        return self._entrance.by_form(request, form.get("token", "").strip())

    async def _leave(self, request: Request) -> Response:
        session = _session_of(request)
        try:
            form = await form_of(request)
        except UsageError as error:
            return _error_page(_told(error), HTTPStatus.BAD_REQUEST)
        if not session.may_order(form.get("order", "")):
            return _error_page(_NOT_FROM_HERE, HTTPStatus.FORBIDDEN)
        self._sessions.end(request.cookies.get(self._doors.cookie, ""))
        answer = self._entrance.refusal("you have left", HTTPStatus.OK)
        answer.delete_cookie(self._doors.cookie, httponly=True, samesite="strict")
        return answer


_NOT_FROM_HERE: Final = (
    "nothing was changed: the order does not come from a page of this session; load the page again"
)


def _session_of(request: Request) -> Session:
    session: Session = request.scope["session"]
    return session


def _told(error: PersistqError) -> str:
    return printable(masked_text(str(error)))


def _status_of(error: PersistqError) -> HTTPStatus:
    if isinstance(error, UsageError | JournalMissing):
        return HTTPStatus.NOT_FOUND
    is_known = isinstance(error, JournalError | FolderError)
    return HTTPStatus.SERVICE_UNAVAILABLE if is_known else HTTPStatus.INTERNAL_SERVER_ERROR


def _not_there(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _error_page("there is no such page", HTTPStatus(status))


def _error_page(sentence: str, status: HTTPStatus) -> Response:
    values = {
        "sentence": sentence,
    }
    return HTMLResponse(str(rendered("error.html", values)), status)


def _back(form: Query) -> str:
    """Return the page that an order was given on; never one of another server."""
    path = form.get("back", "/")
    is_page = path.startswith(("/j/", "/f/")) and "\\" not in path and path.isprintable()
    return path if is_page else "/"
