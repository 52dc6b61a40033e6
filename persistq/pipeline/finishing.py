"""The end of files that a load has claimed: they are moved once the journal is done with them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from persistq import failpoints
from persistq.errors import UsageError
from persistq.folder.claims import DELETED, GROUP
from persistq.folder.owner import Owner, load_of
from persistq.folder.parking import DRAFT, deliver_reason, park
from persistq.folder.place import Place, place_of
from persistq.folder.reader import reported
from persistq.folder.renames import rename_free, rename_over, sync_directory
from persistq.pipeline.iteminfo import ItemInfo
from persistq.site.processes import this_process

_ABOVE: Final = 3
"""A claim lies so far below its folder: ``.taken/load~NAME/NUMBER.FILE``."""

_DROPPED: Final = "its item was dropped by hand"


@dataclass(frozen=True, slots=True)
class Finishing:
    """The handler of the stage that gets files when the stage before it is done with them.

    Attributes:
        done: Where finished files go, as for `persistq.FolderQueue`.
    """

    done: str

    def __call__(self, claims: Sequence[Any], items: Sequence[ItemInfo]) -> None:
        """Put files where finished files go; those whose items a person has dropped, aside.

        Crash: each is among the claims of the load or moved; who gets the item does it again.

        Args:
            claims: Paths, or lists of the paths of groups; what was dropped says so.
            items: What is known of them as items.

        Raises:
            UsageError: One is nothing that a load has claimed.
            FolderError: One cannot be moved.
        """
        # On disk before a file is moved: after a power cut no item is to miss its file.
        items[0].checkpoint(True)
        for place in {self._moved(claim) for claim in claims}:
            with reported(place):
                if place.done is not None:
                    sync_directory(place.done)

    def _moved(self, item: Any) -> Place:
        dropped = isinstance(item, dict) and "dropped" in item
        claim = _claim_of(item["dropped"] if dropped else item)
        place = place_of(claim.parents[_ABOVE - 1], self.done)
        with reported(place):
            if dropped:
                _park(claim, place, str(item.get("reason") or _DROPPED))
            elif os.path.lexists(claim):
                failpoints.point("folder.before_finish")
                _finish(claim, place)
                failpoints.point("folder.after_finish")
            else:
                _delete_rest(claim, place)
        return place


def _finish(claim: Path, place: Place) -> None:
    if place.done is not None:
        rename_free(claim, place.done, _name_of(claim))
    elif claim.is_dir():
        # First as a whole: what is left of a group would be another item for the next run.
        rename_over(claim, _deleted(claim, place))
        failpoints.point("folder.before_delete")
        _delete_rest(claim, place)
    else:
        claim.unlink()


def _delete_rest(claim: Path, place: Place) -> None:
    """Delete a group, or what whoever died while deleting it has left."""
    gone = _deleted(claim, place)
    if gone.is_dir():
        shutil.rmtree(gone)


def _deleted(claim: Path, place: Place) -> Path:
    return place.tmp / claim.parent.name / f"{claim.name}{DELETED}"


def _park(claim: Path, place: Place, reason: str) -> None:
    owner = Owner(claim.parent.name, this_process(), place)
    if os.path.lexists(claim):
        park(owner, claim, _name_of(claim), "Dropped", reason)
        return
    for draft in owner.tmp.glob(f"*{DRAFT}"):
        deliver_reason(place, draft)


def _name_of(claim: Path) -> str:
    name = claim.name.partition(".")[2]
    return name.removesuffix(GROUP) if claim.is_dir() else name


def _claim_of(item: Any) -> Path:
    """Return the file, or the directory of the group, that is claimed.

    Raises:
        UsageError: The item is neither: what it names is not moved or deleted.
    """
    path = Path(item[0]).parent if isinstance(item, list) and item else Path(str(item))
    is_one = path.parent.parent.name == ".taken" and load_of(path.parent.name)
    if not is_one or ".." in path.parts:
        raise UsageError(f"{item!r} is nothing that a load has claimed: nothing is moved")
    return path
