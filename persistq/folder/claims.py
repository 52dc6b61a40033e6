"""What one owner has claimed, and the renames that claim, settle, park and give back.

A file is where its state is: a claim is a rename into a directory of the owner's, to a name with a
number that is never used again. So nothing is ever replaced, and whoever dies leaves it there.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

from persistq import failpoints
from persistq.errors import ClaimLost
from persistq.folder.crashes import forget_crashes
from persistq.folder.owner import Owner, new_owner
from persistq.folder.parking import park
from persistq.folder.place import Place
from persistq.folder.renames import (
    remove_directory,
    rename_free,
    rename_over,
    sync_directory,
)
from persistq.leases import HEARTBEAT_MAX_S

PART: Final = ".part"
"""Ends the directory of a group of which not all files may have been taken."""

GROUP: Final = ".group"
"""Ends the directory of a group that is claimed."""

DELETED: Final = ".deleted"

Look = tuple[int, int, int]
"""Inode, size and time of a file."""


class Claim(NamedTuple):
    """A file, or a group of files, that is claimed.

    Attributes:
        number: Its number, unique in this process's queue object.
        name: The file's name before, or the group.
        path: Where the file is now, or the directory of the group.
        files: The files of the group, in order; the file alone.
        looks: How each was when it was claimed.
    """

    number: int
    name: str
    path: Path
    files: tuple[Path, ...]
    looks: tuple[Look, ...]


class Claims:
    """Claims files of a folder for one queue object of this process.

    Args:
        place: The folder.
        heartbeat: How often to show other hosts that this process lives, in seconds.
    """

    def __init__(self, place: Place, heartbeat: float = HEARTBEAT_MAX_S) -> None:
        self._place = place
        self._heartbeat = heartbeat
        self._owner: Owner | None = None
        self._numbers: Iterator[int] = count(1)
        self._held: dict[int, Claim] = {}
        self._lost: dict[int, str] = {}

    @property
    def owner(self) -> Owner:
        """This process, as an owner, from now on; as a new one if it was taken for dead."""
        self._look_home()
        if self._owner is None:
            # It may be one anew because somebody has exchanged the directories.
            self._place.require_own()
            owner = new_owner(self._place)
            owner.register(self._heartbeat)
            self._owner = owner
        return self._owner

    @property
    def held(self) -> list[Claim]:
        """What is claimed, in the order of claiming."""
        return [self._held[number] for number in sorted(self._held)]

    def claim(self, number: int) -> Claim:
        """Return a claim that is held.

        Raises:
            ClaimLost: Another host has taken this process for dead.
        """
        if number not in self._held:
            raise ClaimLost(str(self._place.path), self._lost.get(number, "it"))
        return self._held[number]

    def extend(self, seconds: float) -> None:
        """Ask other hosts to wait for so long without a heartbeat of this process.

        Crash: on this host its death is known all the same; another one waits as long as was said.
        """
        self.owner.extend(seconds)

    # --- claiming ---

    def take(self, name: str) -> Claim | None:
        """Claim a file; None if somebody else was quicker.

        Crash: it waits, or is claimed by a dead owner and recovered.
        """
        owner, number = self.owner, next(self._numbers)
        target = owner.taken / f"{number}.{name}"
        failpoints.point("folder.before_claim")
        if not self._moved(self._place.path / name, target):
            return None
        failpoints.point("folder.after_claim")
        return self._hold(Claim(number, name, target, (target,), (_look(target),)))

    def take_group(self, group: str, names: Sequence[str], beside: Iterable[str]) -> Claim | None:
        """Claim all files of a group; None if somebody else was quicker with one.

        Crash: until the last rename it is given back, after it the group is claimed as a whole.

        Args:
            group: The group.
            names: Its files; they are taken in sorted order, so that rivals meet at the first.
            beside: What belongs to it and is not handed out.
        """
        owner, number = self.owner, next(self._numbers)
        part = owner.taken / f"{number}.{group}{PART}"
        part.mkdir(exist_ok=True)
        if not self._all_moved(sorted({*names, *beside}), part):
            return None
        whole = part.with_name(f"{number}.{group}{GROUP}")
        failpoints.point("folder.before_group")
        rename_over(part, whole)
        failpoints.point("folder.after_group")
        files = tuple(whole / name for name in names)
        return self._hold(Claim(number, group, whole, files, tuple(map(_look, files))))

    def _all_moved(self, names: Sequence[str], part: Path) -> bool:
        for name in names:
            failpoints.point("folder.within_group")
            if not self._moved(self._place.path / name, part / name):
                give_back_all(part, self._place)
                return False
        return True

    def _moved(self, source: Path, target: Path) -> bool:
        try:
            os.rename(source, target)  # noqa: PTH104 - this is done for each file
        except FileNotFoundError:
            # The answer may have been lost on its way: then the file is there all the same.
            return os.path.lexists(target)
        return True

    def _hold(self, claim: Claim) -> Claim:
        self._held[claim.number] = claim
        return claim

    # --- settling ---

    def settle(self, number: int) -> None:
        """Put what is finished where finished files go, or delete it.

        What has changed since it was claimed is parked: somebody was still writing.

        Crash: it is claimed still, and recovered, or it is finished.

        Raises:
            ClaimLost: Another host has taken this process for dead.
            OSError: It cannot be done; the claim is held, and can be given back.
        """
        claim = self.claim(number)
        self._let_go(claim, lambda: self._finish_or_park(claim))

    def _finish_or_park(self, claim: Claim) -> None:
        if _changed(claim):
            reason = "somebody has written to it after it was claimed: say min_age= if they do that"
            self._park(claim, "ChangedInWork", reason)
        else:
            forget_crashes(self._place, claim.name)
            failpoints.point("folder.before_done")
            self._finish(claim)
            failpoints.point("folder.after_done")

    def park(self, number: int, kind: str, reason: str) -> None:
        """Put what has failed for good aside.

        Crash: it is claimed still, and recovered, or it is parked.

        Raises:
            ClaimLost: Another host has taken this process for dead.
            OSError: It cannot be done; the claim is held, and can be given back.
        """
        claim = self.claim(number)
        self._let_go(claim, lambda: self._park(claim, kind, reason))

    def give_back(self) -> None:
        """Let everything wait again that is claimed.

        What the program has moved elsewhere stays there, and what others were given is theirs.

        Crash: what is left is recovered.
        """
        for claim in self.held:
            with suppress(FileNotFoundError):
                give_back(claim.path, self._place, claim.name)
            del self._held[claim.number]

    def sync(self) -> None:
        """Have what was settled survive a power cut."""
        for directory in filter(None, (self._place.done, self._place.parked)):
            sync_directory(directory)

    def leave(self) -> None:
        """Give back, and be no owner any more."""
        if self._owner is not None:
            self.give_back()
            owner, self._owner = self._owner, None
            owner.withdraw()

    def _let_go(self, claim: Claim, settle: Callable[[], None]) -> None:
        """Settle a claim, if the program itself has not moved or deleted the file."""
        try:
            if os.path.lexists(claim.path):
                settle()
            else:
                self._look_home(claim)
        except FileNotFoundError:
            self._look_home(claim)
            raise
        self._held.pop(claim.number, None)

    def _look_home(self, claim: Claim | None = None) -> None:
        """See whether this is an owner still; otherwise become one anew.

        Raises:
            ClaimLost: It was taken for dead, with this claim.
        """
        if self._owner is None or self._owner.taken.is_dir():
            return
        lost = [*self._held.values(), *filter(None, [claim])]
        self._lost |= {one.number: one.name for one in lost}
        self._held.clear()
        self._owner.withdraw()
        self._owner = None
        if claim is not None:
            raise ClaimLost(str(self._place.path), claim.name)

    def _finish(self, claim: Claim) -> None:
        done = self._place.done
        if done is not None:
            rename_free(claim.path, done, claim.name)
        elif claim.path.is_dir():
            # First as a whole: half a group would be given back otherwise.
            gone = self.owner.tmp / f"{claim.number}{DELETED}"
            rename_over(claim.path, gone)
            failpoints.point("folder.before_delete")
            shutil.rmtree(gone)
        else:
            claim.path.unlink(missing_ok=True)

    def _park(self, claim: Claim, kind: str, reason: str) -> None:
        forget_crashes(self._place, claim.name)
        park(self.owner, claim.path, claim.name, kind, reason)


def give_back(path: Path, place: Place, name: str) -> None:
    """Let a file wait again, or the files of a group; each under its name, or one like it.

    Crash: some wait, and what is left is recovered.
    """
    if is_group(path):
        give_back_all(path, place)
        return
    failpoints.point("folder.before_give_back")
    rename_free(path, place.path, name)
    failpoints.point("folder.after_give_back")


def give_back_all(directory: Path, place: Place) -> None:
    """Let all files of a group's directory wait again, and remove it."""
    for path in sorted(directory.iterdir()):
        give_back(path, place, path.name)
    remove_directory(directory)


def is_group(path: Path) -> bool:
    """Return whether a claim is a group; others may have put a directory where a file was."""
    return path.name.endswith((PART, GROUP)) and path.is_dir() and not path.is_symlink()


def is_regular(claim: Claim) -> bool:
    """Return whether all that was claimed are files, and no links: others may have put them."""
    return all(stat.S_ISREG(path.lstat().st_mode) for path in claim.files)


def _look(path: Path) -> Look:
    found = os.lstat(path)
    return found.st_ino, found.st_size, found.st_mtime_ns


def _changed(claim: Claim) -> bool:
    """Return whether a file is another one, or longer; one that the handler has moved is not."""
    pairs = zip(claim.files, claim.looks, strict=True)
    return any(path.exists() and _look(path) != look for path, look in pairs)
