"""A page: what it is called, what it says, and which pieces of it change while it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from markupsafe import Markup


class Crumb(NamedTuple):
    """A step of the way from the first page to this one.

    Attributes:
        title: What it is called.
        path: Where it leads; empty for this page itself.
    """

    title: str
    path: str = ""


class Page(NamedTuple):
    """One page.

    Attributes:
        title: What the window is called.
        crumbs: The way to it.
        body: All that it says.
        parts: The pieces of the body that change, each an element with the id that is its key.
    """

    title: str
    crumbs: tuple[Crumb, ...]
    body: Markup
    parts: dict[str, Markup]


Query = Mapping[str, str]
"""What stands behind the question mark of an address."""

Maker = Callable[[str, Query], Page]
"""Makes the page at a path; runs in a thread."""


def path_to(name: str, *below: str, **query: object) -> str:
    """Return the path of a page about a journal.

    Args:
        name: The journal's name.
        below: What stands below it, such as ``items``.
        query: What stands behind the question mark; None and empty texts are left out.
    """
    path = "/".join(["/j", *(quote(part, safe="") for part in (name, *below))])
    given = {key: value for key, value in query.items() if value not in {None, ""}}
    return f"{path}?{urlencode(given)}" if given else path


def folder_path(key: str, *below: str) -> str:
    """Return the path of a page about a folder, or of an order to it.

    Args:
        key: What names the folder in addresses.
        below: What stands below it.
    """
    return "/".join(["/f", key, *below])


def number_in(query: Query, key: str) -> int | None:
    """Return a number from an address; None if there is none."""
    text = query.get(key, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
