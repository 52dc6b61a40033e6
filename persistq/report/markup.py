"""HTML made of elements, in which every text is escaped.

There is no way to put a text into a page as it is but `Markup`, and nobody else makes that of texts
that come from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

_WITHOUT_END: Final = frozenset({"br", "col", "link", "meta"})


class Markup(str):
    """A text that is HTML already."""

    __slots__ = ()


Child = str | Iterable["Child"] | None
"""What may be in an element: texts, elements, several of them, or nothing."""


def element(tag: str, *children: Child, **attributes: str | float | None) -> Markup:
    """Return an element.

    Args:
        tag: Its name.
        children: What is in it; texts are escaped.
        attributes: By name; ``class_`` is class, and other underscores are hyphens. None leaves one
            out.
    """
    opening = f"<{tag}{''.join(_attributes(attributes))}>"
    if tag in _WITHOUT_END:
        return Markup(opening)
    return Markup(f"{opening}{joined(*children)}</{tag}>")


def joined(*children: Child) -> Markup:
    """Return elements and texts one after the other."""
    return Markup("".join(map(_written, children)))


def verbatim(tag: str, text: str, **attributes: str) -> Markup:
    """Return a script or style, in which HTML escapes nothing.

    Raises:
        ValueError: The text would end it.
    """
    if f"</{tag}" in text.lower() or "<!--" in text:
        raise ValueError(f"a text of {tag} holds what ends it")
    return Markup(f"<{tag}{''.join(_attributes(attributes))}>{text}</{tag}>")


def _written(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    return escape(child) if isinstance(child, str) else joined(*child)


def _attributes(attributes: Mapping[str, str | float | None]) -> Iterable[str]:
    for name, value in attributes.items():
        if value is not None:
            yield f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
