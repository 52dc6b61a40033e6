"""What dead owners have left behind: who has claimed nothing takes nothing that is alive."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from persistq import failpoints
from persistq.folder.batchfile import SUFFIX, salvage
from persistq.folder.claims import DELETED, GROUP, give_back, is_group
from persistq.folder.crashes import count_crash, forget_crashes
from persistq.folder.listing import directories_in
from persistq.folder.names import control_of, is_item
from persistq.folder.owner import FROM, Owner, Watch, forget
from persistq.folder.parking import DRAFT, deliver_reason, park
from persistq.folder.place import Place
from persistq.folder.renames import remove_directory, rename_free, rename_over

PUTTING: Final = "putting"
"""Ends the name of what is there while its owner puts a file."""

COPY: Final = ".copy"
"""Ends the name of a file of which an owner is writing a copy."""

MOVED: Final = ".moved"
"""Ends the name of a file that is to be put, and that nobody has seen yet."""

OFFERED: Final = ".offered"
"""Ends the name of a file that others may have, or may have finished."""

_DRAFTS: Final = (PUTTING, ".row", "round.json", "crashes")


_HALF: Final = "its producer died while it was written: the source should be put again"
_OFFERED: Final = (
    "its producer died while it was put, and it may have been finished since: look whether it was, "
    "and move it back into the folder if not"
)


@dataclass
class Recovered:
    """What was done about dead owners.

    Attributes:
        owners: Which they were.
        given_back: Names of files that wait again.
        parked: Names of files that were put aside.
    """

    owners: list[str] = field(default_factory=list)
    given_back: list[str] = field(default_factory=list)
    parked: list[str] = field(default_factory=list)

    def extend(self, later: Recovered) -> None:
        """Add what was done later."""
        self.owners += later.owners
        self.given_back += later.given_back
        self.parked += later.parked


def recover(owner: Owner, watch: Watch, max_crashes: int) -> Recovered:
    """Give back what dead owners have claimed, and clear up what they were writing.

    One rename of its directory makes it this owner's, so of several who do it each gets a part.

    Crash: what is left is this owner's, who is dead then, and is recovered in turn.

    Args:
        owner: Who does it.
        watch: Tells who is dead.
        max_crashes: With how many deaths a file is parked.
    """
    place, done = owner.place, Recovered()
    for name, mine in _gained(place.taken, owner, watch):
        _note_owner(done, name, owner)
        _give_all_back(mine, owner, done, max_crashes if FROM not in name else 0)
    for name, mine in _gained(place.tmp, owner, watch):
        _note_owner(done, name, owner)
        _clear_up(mine, owner, done)
    _forget_dead(place, watch)
    return done


def owner_of(directory: str) -> str:
    """Return whose a directory below ``.taken`` or ``.tmp`` is, by its name."""
    return directory.partition(".")[0]


def _gained(parent: Path, owner: Owner, watch: Watch) -> Iterator[tuple[str, Path]]:
    """Yield directories of the dead, which are this owner's now, and what it has not finished."""
    for name in directories_in(parent):
        if name.startswith(f"{owner.name}{FROM}"):
            yield name, parent / name
        elif _is_dead(name, owner, watch) and (mine := _made_mine(parent / name, owner)):
            yield name, mine


def _is_dead(directory: str, owner: Owner, watch: Watch) -> bool:
    name = owner_of(directory)
    return name != owner.name and watch.is_dead(name) is True


def _note_owner(done: Recovered, directory: str, owner: Owner) -> None:
    if (name := owner_of(directory)) not in {*done.owners, owner.name}:
        done.owners.append(name)


def _made_mine(directory: Path, owner: Owner) -> Path | None:
    """Make a dead owner's directory this one's; None if somebody else was quicker."""
    mine = directory.with_name(f"{owner.name}{FROM}{secrets.token_hex(4)}")
    failpoints.point("folder.before_recovery")
    try:
        rename_over(directory, mine)
    except FileNotFoundError:
        return None
    failpoints.point("folder.after_recovery")
    return mine


def _give_all_back(mine: Path, owner: Owner, done: Recovered, max_crashes: int) -> None:
    """Give files back; a death is blamed on the one that was claimed first."""
    entries = sorted(mine.iterdir(), key=_number)
    for entry in entries:
        name = _name_of(entry)
        crashes = _blamed(entry, owner, name) if max_crashes and entry is entries[0] else 0
        if crashes and crashes >= max_crashes:
            reason = f"{crashes} processes have died with it in their hands"
            forget_crashes(owner.place, name)
            park(owner, entry, name, "Crashed", reason)
            done.parked.append(name)
        else:
            _give_one_back(entry, owner.place, name, done)
        failpoints.point("folder.within_recovery")
    remove_directory(mine)


def _name_of(entry: Path) -> str:
    """Return what a claim was called before; what nobody has claimed keeps its name."""
    number, _, name = entry.name.partition(".")
    if is_group(entry):
        return name.removesuffix(GROUP)
    return name if number.isdigit() and is_item(name) and name else entry.name


def _blamed(entry: Path, owner: Owner, name: str) -> int:
    """Count a death with a file, or a whole group; return how many there were."""
    if not is_group(entry):
        return count_crash(owner, entry, name)
    files = sorted(entry.iterdir())
    if not entry.name.endswith(GROUP) or not files:
        return 0
    return count_crash(owner, files[0], name)


def _give_one_back(entry: Path, place: Place, name: str, done: Recovered) -> None:
    done.given_back += sorted(path.name for path in entry.iterdir()) if is_group(entry) else [name]
    give_back(entry, place, name)


def _number(entry: Path) -> int:
    number = entry.name.partition(".")[0]
    return int(number) if number.isascii() and number.isdigit() else 0


def _clear_up(mine: Path, owner: Owner, done: Recovered) -> None:
    for entry in sorted(mine.iterdir()):
        _clear_one(entry, owner, done)
        failpoints.point("folder.within_clearing")
    remove_directory(mine)


def _clear_one(entry: Path, owner: Owner, done: Recovered) -> None:
    place, name = owner.place, entry.name
    if name.endswith(DELETED):
        shutil.rmtree(entry)
    elif name.endswith(_DRAFTS) or control_of(name)[0] or _is_second_name(entry):
        # What nobody waits for, or what was put.
        entry.unlink(missing_ok=True)
    elif name.endswith(DRAFT):
        if not deliver_reason(place, entry):
            entry.unlink(missing_ok=True)
    elif name.endswith(SUFFIX) and stat.S_ISREG(entry.lstat().st_mode):
        _publish_rest(entry, place, done)
    elif name.endswith(MOVED):
        put_name = name.partition(".")[2].removesuffix(MOVED)
        done.given_back.append(rename_free(entry, place.path, put_name).name)
    else:
        _park_half(entry, owner, done)


def _is_second_name(entry: Path) -> bool:
    """Return whether a file was put, and its producer died between the link and the unlink."""
    found = entry.lstat()
    linked = stat.S_ISREG(found.st_mode) and found.st_nlink > 1
    return linked and entry.name.endswith((COPY, OFFERED))


def _publish_rest(entry: Path, place: Place, done: Recovered) -> None:
    """Publish the whole rows of a batch file that was not written to its end."""
    if salvage(entry):
        failpoints.point("folder.before_rest")
        done.given_back.append(rename_free(entry, place.path, entry.name).name)
    else:
        entry.unlink(missing_ok=True)


def _park_half(entry: Path, owner: Owner, done: Recovered) -> None:
    """Park what is not whole, or what may have been finished, so that nobody does it twice."""
    name, kind, reason = entry.name, "HalfWritten", _HALF
    if name.endswith(COPY):
        name = name.partition(".")[2].removesuffix(COPY)
    elif name.endswith(OFFERED):
        name, kind, reason = name.partition(".")[2].removesuffix(OFFERED), "HalfPut", _OFFERED
    park(owner, entry, name or entry.name, kind, reason)
    done.parked.append(name or entry.name)


def _forget_dead(place: Place, watch: Watch) -> None:
    left = {owner_of(name) for name in directories_in(place.taken) + directories_in(place.tmp)}
    # Drafts too: one may be left of who died while it registered.
    for name in os.listdir(place.owners):  # noqa: PTH208 - only names are wanted
        if name not in left and watch.is_dead(name) is True:
            forget(place.owners / name)
