"""The page of a folder: what waits, who has what, what was put aside, and who puts."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from persistq.cli.folderlist import next_for
from persistq.folder.counting import counts_from
from persistq.folder.details import LISTED, first_parked, held_files, waiting_files
from persistq.folder.listing import list_folder, pattern_of
from persistq.folder.reader import reported
from persistq.folder.rounds import last_round
from persistq.folder.standing import producers_of
from persistq.text.masking import masked_text
from persistq.text.payloads import shortened
from persistq.web.overview import CRUMB
from persistq.web.page import Crumb, Page, folder_path
from persistq.web.rendering import rendered

if TYPE_CHECKING:
    from persistq.folder.details import HeldFile, ParkedFile
    from persistq.folder.owner import Watch
    from persistq.folder.place import Place
    from persistq.web.folders import Folders

_REASON_WIDTH: Final = 400

_PIECES: Final = ("head", "producers", "hands", "parked", "waiting")


def folder_page(folders: Folders, key: str, order_token: str) -> Page:
    """Return the page of a folder.

    Args:
        folders: All folders.
        key: Names it.
        order_token: What orders from this page have to show.

    Raises:
        UsageError: There is no such folder.
        FolderError: It cannot be read, or is a stranger's.
    """
    look = folders.look(key)
    place, watch = folders.place(key)
    with reported(place):
        values = _values(place, watch)
    orders = {"order_token": order_token, "back": folder_path(key), "key": key}
    parts = {
        piece: rendered(f"folder_{piece}.html", values | orders | {"listed": LISTED})
        for piece in _PIECES
    }
    body = rendered("folder.html", {"parts": parts})
    return Page(look.path.name, (CRUMB, Crumb(look.path.name)), body, parts)


def reference_to(name: str) -> str:
    """Return what stands for a file's name in a form: names may have any bytes."""
    return os.fsencode(name).hex()


def _values(place: Place, watch: Watch) -> dict[str, Any]:
    listing = list_folder(place, pattern_of("*"))
    counts = counts_from(place, listing, watch)
    return {
        "path": str(place.path),
        "name": place.path.name,
        "rounds": last_round(place).number,
        "next": next_for(place.path, counts),
        "counts": counts,
        "strange": sorted(listing.strange)[:LISTED],
        "waiting": [
            {"file": file, "since": _moment(file.since)}
            for file in waiting_files(place, listing.items)
        ],
        "held": [*map(_held, held_files(place, watch))],
        "parked": [*map(_parked, first_parked(place))],
        "producers": [
            {"row": row, "reason": shortened(masked_text(row.reason), _REASON_WIDTH)}
            for row in producers_of(place, listing, watch)
        ],
    }


def _held(file: HeldFile) -> dict[str, Any]:
    return {
        "file": file,
        "since": _moment(file.since),
        "life": {True: "dead", False: "alive", None: "not to be seen from here"}[file.dead],
    }


def _parked(file: ParkedFile) -> dict[str, Any]:
    reason = shortened(masked_text(file.reason), _REASON_WIDTH)
    return {
        "file": file,
        "since": _moment(file.since),
        "reason": f"{file.kind}: {reason}" if file.kind else "no reason is beside it",
        "ref": reference_to(file.name),
    }


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
