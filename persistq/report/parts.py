"""What the parts of a page are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistq.report.markup import Child, Markup, element

if TYPE_CHECKING:
    from collections.abc import Sequence


def section(name: str, title: str, *children: Child) -> Markup:
    """Return a part of the page with its title."""
    heading = element("h2", title, id=f"{name}-title")
    return element("section", heading, *children, id=name, aria_labelledby=f"{name}-title")


def table(titles: Sequence[str], rows: Sequence[Sequence[Child]], label: str) -> Markup:
    """Return a table; a narrow window scrolls it, and not the page."""
    heads = element("tr", (element("th", title, scope="col") for title in titles))
    body = (element("tr", map(_cell, row)) for row in rows)
    table = element(
        "table",
        element("caption", label),
        element("thead", heads),
        element("tbody", body),
    )
    return element("div", table, class_="scroll", tabindex=0, role="region", aria_label=label)


def _cell(content: Child) -> Markup:
    is_cell = isinstance(content, Markup) and content.startswith(("<th", "<td"))
    return content if is_cell else element("td", content)  # type: ignore[return-value]
