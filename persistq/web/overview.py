"""The first page: journals of the directory, with what needs somebody first, and folders."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from persistq.cli.choosing import last_activity
from persistq.cli.folderlist import producers_in_words
from persistq.cli.output import Failing
from persistq.web.bar import bar_of
from persistq.web.page import Crumb, Page, folder_path, path_to
from persistq.web.rendering import rendered

if TYPE_CHECKING:
    from persistq.web.folders import FolderLook, Folders
    from persistq.web.journals import Journals, Look

CRUMB: Final = Crumb("journals", "/")

_AGED_S: Final = 20.0
"""After so long a row is made anew, because it says how long ago things were."""


class Rows:
    """The rows of journals as they were made last; any thread may ask."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Look, float, Markup]] = {}

    def of(self, look: Look) -> Markup:
        """Return the row of a journal: the one from before, if nothing has changed."""
        now = time.monotonic()
        before = self._made.get(look.name)
        if before is not None and before[0] is look and now - before[1] < _AGED_S:
            return before[2]
        row = _row(look)
        self._made[look.name] = look, now, row
        return row


def overview(journals: Journals, folders: Folders, rows: Rows) -> Page:
    """Return the page of all journals and folders.

    Args:
        journals: All journals.
        folders: All folders.
        rows: The rows of journals.
    """
    looks, found = sorted(journals.looks(), key=_order), folders.looks()
    values = _totals(looks, found) | {"directory": str(journals.directory)}
    totals = rendered("totals.html", values)
    parts = {f"journal-{look.name}": rows.of(look) for look in looks}
    below = {f"folder-{look.key}": _folder_row(look) for look in found}
    values = {
        "totals": totals,
        "rows": Markup().join(parts.values()),
        "folders": Markup().join(below.values()),
    }
    body = rendered("overview.html", values)
    return Page("journals", (Crumb("journals"),), body, {"totals": totals, **parts, **below})


def needs_somebody(look: Look) -> bool:
    """Return whether a journal waits for a person: it cannot be read, or somebody has to type."""
    return bool(look.trouble) or look.next is not None


def _order(look: Look) -> tuple[bool, bool, str]:
    return not look.is_running, not needs_somebody(look), look.name


def _row(look: Look) -> Markup:
    standing = look.standing
    if standing is None:
        return rendered("journal_row.html", {"look": look, "standing": None})
    view = standing.view
    values = {
        "look": look,
        "standing": standing,
        "view": view,
        "bar": bar_of(view.worked_on),
        "path": path_to(view.name),
        "failures": path_to(view.name, "failures"),
        "last": last_activity(view),
    }
    return rendered("journal_row.html", values)


def _folder_row(look: FolderLook) -> Markup:
    words = producers_in_words(look.counts) if look.counts is not None else ""
    values = {
        "look": look,
        "path": folder_path(look.key),
        "producers": words,
        "is_bad": isinstance(words, Failing),
    }
    return rendered("folder_row.html", values)


def _totals(looks: list[Look], folders: list[FolderLook]) -> dict[str, object]:
    views = [look.standing.view for look in looks if look.standing is not None]
    return {
        "journals": len(looks),
        "running": sum(look.is_running for look in looks),
        "waiting": sum(needs_somebody(look) and not look.is_running for look in looks)
        + sum(look.needs_somebody for look in folders),
        "parked": sum(view.parked for view in views),
        "outstanding": sum(view.outstanding for view in views),
        "rate": sum(look.rate or 0.0 for look in looks),
    }
