"""What dead owners have left behind: who has claimed nothing takes nothing that is alive."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from persistq import failpoints
from persistq.folder.batchfile import SUFFIX, salvage
from persistq.folder.claims import DELETED, GROUP, give_back
from persistq.folder.crashes import count_crash, forget_crashes
from persistq.folder.listing import directories_in
from persistq.folder.names import control_of
from persistq.folder.owner import FROM, Owner, Watch
from persistq.folder.parking import DRAFT, deliver_reason, park
from persistq.folder.place import Place
from persistq.folder.renames import rename_free

PUTTING: Final = "putting"
"""Ends the name of what is there while its owner puts a file."""

COPY: Final = ".copy"
"""Ends the name of a file of which an owner is writing a copy."""

_DRAFTS: Final = (PUTTING, ".row", "round.json", "crashes")


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
    taken, tmp = directories_in(place.taken), directories_in(place.tmp)
    dead = {name for name in map(owner_of, {*taken, *tmp}) if _is_dead(name, owner, watch)}
    for name in taken:
        if owner_of(name) in dead and (mine := _made_mine(place.taken / name, owner)):
            _note_owner(done, name)
            _give_all_back(mine, owner, done, max_crashes if FROM not in name else 0)
    for name in tmp:
        if owner_of(name) in dead and (mine := _made_mine(place.tmp / name, owner)):
            _note_owner(done, name)
            _clear_up(mine, owner, done)
    _forget_dead(place, watch)
    return done


def owner_of(directory: str) -> str:
    """Return whose a directory below ``.taken`` or ``.tmp`` is, by its name."""
    return directory.partition(".")[0]


def _is_dead(name: str, owner: Owner, watch: Watch) -> bool:
    return name != owner.name and watch.is_dead(name) is True


def _note_owner(done: Recovered, directory: str) -> None:
    if (name := owner_of(directory)) not in done.owners:
        done.owners.append(name)


def _made_mine(directory: Path, owner: Owner) -> Path | None:
    """Make a dead owner's directory this one's; None if somebody else was quicker."""
    mine = directory.with_name(f"{owner.name}{FROM}{secrets.token_hex(4)}")
    failpoints.point("folder.before_recovery")
    try:
        directory.rename(mine)
    except FileNotFoundError:
        return None
    failpoints.point("folder.after_recovery")
    return mine


def _give_all_back(mine: Path, owner: Owner, done: Recovered, max_crashes: int) -> None:
    """Give files back; a death is blamed on the one that was claimed first."""
    entries = sorted(mine.iterdir(), key=_number)
    for entry in entries:
        name = entry.name.partition(".")[2]
        crashes = _blamed(entry, owner, name) if max_crashes and entry is entries[0] else 0
        if crashes and crashes >= max_crashes:
            reason = f"{crashes} processes have died with it in their hands"
            forget_crashes(owner.place, name.removesuffix(GROUP))
            park(owner, entry, name.removesuffix(GROUP), "Crashed", reason)
            done.parked.append(name)
        else:
            _give_one_back(entry, owner.place, name, done)
        failpoints.point("folder.within_recovery")
    mine.rmdir()


def _blamed(entry: Path, owner: Owner, name: str) -> int:
    """Count a death with a file, or a whole group; return how many there were."""
    if not entry.is_dir() or entry.is_symlink():
        return count_crash(owner, entry, name)
    files = sorted(entry.iterdir())
    if not name.endswith(GROUP) or not files:
        return 0
    return count_crash(owner, files[0], name.removesuffix(GROUP))


def _give_one_back(entry: Path, place: Place, name: str, done: Recovered) -> None:
    is_group = entry.is_dir() and not entry.is_symlink()
    done.given_back += sorted(path.name for path in entry.iterdir()) if is_group else [name]
    give_back(entry, place, name)


def _number(entry: Path) -> int:
    number = entry.name.partition(".")[0]
    return int(number) if number.isascii() and number.isdigit() else 0


def _clear_up(mine: Path, owner: Owner, done: Recovered) -> None:
    for entry in sorted(mine.iterdir()):
        _clear_one(entry, owner, done)
        failpoints.point("folder.within_clearing")
    mine.rmdir()


def _clear_one(entry: Path, owner: Owner, done: Recovered) -> None:
    place, name = owner.place, entry.name
    if name.endswith(DELETED):
        shutil.rmtree(entry)
    elif entry.lstat().st_nlink > 1 or name.endswith(_DRAFTS) or control_of(name)[0]:
        # A second name of what was put, or a draft of what nobody waits for.
        entry.unlink()
    elif name.endswith(DRAFT):
        if not deliver_reason(place, entry):
            entry.unlink()
    elif name.endswith(SUFFIX):
        _publish_rest(entry, place, done)
    else:
        _park_half(entry, owner, done)


def _publish_rest(entry: Path, place: Place, done: Recovered) -> None:
    """Publish the whole rows of a batch file that was not written to its end."""
    if salvage(entry):
        failpoints.point("folder.before_rest")
        done.given_back.append(rename_free(entry, place.path, entry.name).name)
    else:
        entry.unlink()


def _park_half(entry: Path, owner: Owner, done: Recovered) -> None:
    name = entry.name.partition(".")[2].removesuffix(COPY) if entry.name.endswith(COPY) else ""
    reason = "its producer died while it was written: the source should be put again"
    park(owner, entry, name or entry.name, "HalfWritten", reason)
    done.parked.append(name or entry.name)


def _forget_dead(place: Place, watch: Watch) -> None:
    left = {owner_of(name) for name in directories_in(place.taken) + directories_in(place.tmp)}
    for name in os.listdir(place.owners):  # noqa: PTH208 - only names are wanted
        if name not in left and not name.startswith(".") and watch.is_dead(name) is True:
            (place.owners / name).unlink(missing_ok=True)
