"""What lies in a folder, for people and for commands: nothing is changed by looking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from persistq.folder.batchfile import SUFFIX, BatchFault, check_batch
from persistq.folder.controls import Controls, read_controls
from persistq.folder.listing import Listing, directories_in, list_folder, owned, pattern_of
from persistq.folder.names import WHY
from persistq.folder.owner import Watch, load_of
from persistq.folder.parking import reason_in
from persistq.folder.place import Place
from persistq.folder.recovery import owner_of
from persistq.folder.rounds import last_round
from persistq.peer import Peer


class Holder(NamedTuple):
    """Who has something in hands, or is writing it.

    Attributes:
        owner: Its name.
        peer: The process; None if nothing is known of it.
        dead: Whether it is dead; None if that cannot be seen from here.
        taken: What it has claimed: names as they were.
        writing: What it is writing.
    """

    owner: str
    peer: Peer | None
    dead: bool | None
    taken: list[str]
    writing: list[str]


class Aside(NamedTuple):
    """What was put aside.

    Attributes:
        name: Its name there.
        kind: What has failed, as the name of an error; empty if no reason is beside it.
        reason: What that says.
    """

    name: str
    kind: str
    reason: str


class ProducerState(NamedTuple):
    """What a producer has said.

    Attributes:
        name: The producer.
        state: ``working``, ``done``, ``failed`` or ``dead``.
        peer: Its process; None if the file was made by hand.
        reason: Why it has failed.
    """

    name: str
    state: str
    peer: Peer | None
    reason: str = ""


class Standing(NamedTuple):
    """How a folder stands.

    Attributes:
        path: The folder.
        paused: Whether nobody is to claim anything.
        rounds: How many rounds are over.
        waiting: Names of files that wait.
        strange: Names of what is left alone.
        holders: Who has something in hands.
        parked: What was put aside.
        producers: Who has said what in this round.
    """

    path: Path
    paused: bool
    rounds: int
    waiting: list[str]
    strange: list[str]
    holders: list[Holder]
    parked: list[Aside]
    producers: list[ProducerState]

    @property
    def taken(self) -> int:
        """How many files, or groups of files, are in somebody's hands."""
        return sum(len(holder.taken) for holder in self.holders)

    @property
    def exit_code(self) -> int:
        """3 if something is left to do, 6 if something was put aside, and otherwise 0."""
        return 3 if self.waiting or self.taken else 6 if self.parked else 0


def standing_of(place: Place, match: str, watch: Watch) -> Standing:
    """Return how a folder stands.

    Args:
        place: The folder.
        match: Which files are items.
        watch: Tells who is dead.
    """
    listing = list_folder(place, pattern_of(match))
    return Standing(
        place.path,
        listing.paused,
        last_round(place).number,
        sorted(listing.items),
        sorted(listing.strange),
        [*_holders(place, watch)],
        [_aside(path) for path in parked_files(place)],
        producers_of(place, listing, watch),
    )


def producers_of(place: Place, listing: Listing, watch: Watch) -> list[ProducerState]:
    """Return what each producer has said in the round that is not over."""
    controls = read_controls(place.path, listing.controls, last_round(place).void)
    return [*_producers(controls, watch)]


def parked_files(place: Place) -> list[Path]:
    """Return the files, and directories of groups, that were put aside."""
    found = place.parked.iterdir() if place.parked.is_dir() else ()
    return sorted(path for path in found if not path.name.endswith(WHY))


def problems_of(place: Place, match: str, watch: Watch) -> list[str]:
    """Return what does not agree with itself, in sentences."""
    listing = list_folder(place, pattern_of(match))
    return [
        *_unowned(place, watch),
        *_unreasoned(place),
        *_broken(place, listing),
        *(
            f"{name} is no file, or its name is too long, or ends in {WHY}: it is left alone"
            for name in listing.strange
        ),
    ]


def _holders(place: Place, watch: Watch) -> Iterator[Holder]:
    for owner in sorted({*directories_in(place.taken), *directories_in(place.tmp)}):
        taken = sorted(name.partition(".")[2] for _, name in owned(place.taken, [owner]))
        writing = sorted(name for _, name in owned(place.tmp, [owner]))
        name = owner_of(owner)
        yield Holder(owner, watch.peer_of(name), watch.is_dead(name), taken, writing)


def _aside(path: Path) -> Aside:
    why = reason_in(path.with_name(path.name + WHY))
    return Aside(path.name, str(why.get("kind", "")), str(why.get("reason", "")))


def _producers(controls: Controls, watch: Watch) -> Iterator[ProducerState]:
    for name in sorted({*controls.helos, *controls.dones, *controls.faults}):
        helo = controls.helos.get(name)
        peer = None if helo is None else helo.peer
        if (fault := controls.faults.get(name)) is not None:
            yield ProducerState(name, "failed", peer, fault.reason)
        elif name in controls.dones:
            yield ProducerState(name, "done", peer)
        else:
            dead = helo is not None and peer is not None and watch.has_died(peer, helo.owner)
            yield ProducerState(name, "dead" if dead else "working", peer)


def _unowned(place: Place, watch: Watch) -> Iterator[str]:
    for directory in (place.taken, place.tmp):
        for owner in directories_in(directory):
            if watch.peer_of(owner_of(owner)) is None and not load_of(owner):
                where = f"{directory.name}/{owner}"
                yield f"{where} belongs to nobody known: look whose it is, and move its files back"


def _unreasoned(place: Place) -> Iterator[str]:
    for aside in map(_aside, parked_files(place)):
        if not aside.kind:
            yield f".parked/{aside.name} has no reason beside it"


def _broken(place: Place, listing: Listing) -> Iterator[str]:
    for name in sorted(listing.items):
        if name.endswith(SUFFIX):
            try:
                check_batch(place.path / name)
            except FileNotFoundError:
                continue
            except BatchFault as fault:
                yield f"{name} is no whole batch file: {fault}"
