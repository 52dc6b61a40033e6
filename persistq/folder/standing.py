"""What lies in a folder, for people and for commands: nothing is changed by looking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from persistq.folder.batchfile import SUFFIX, BatchFault, check_batch
from persistq.folder.controls import Controls, read_controls
from persistq.folder.listing import Listing, directories_in, list_folder, owned, pattern_of
from persistq.folder.names import WHY
from persistq.folder.owner import Watch, load_of
from persistq.folder.parking import reason_in
from persistq.folder.place import Place
from persistq.folder.recovery import owner_of
from persistq.folder.rounds import last_round
from persistq.leases import Life
from persistq.peer import Peer

_UNDER_WAY: Final = ("working", "dead")


class Known(NamedTuple):
    """What is known of the life of a process.

    Attributes:
        life: Whether it is alive, silent or dead; None if that cannot be seen from here.
        silent: How long it has given no sign, in seconds, by the clock of the folder; None on this
            host, where the kernel knows how it is.
    """

    life: Life | None
    silent: float | None = None

    @property
    def is_well(self) -> bool:
        """Whether nothing is known against it."""
        return self.life in (None, Life.ALIVE)

    def is_bad(self, longest: float) -> bool:
        """Return whether it is dead, or has given no sign for longer than so many seconds."""
        return self.life is Life.DEAD or (self.silent or 0.0) > longest

    @property
    def complaint(self) -> str:
        """What is bad about it, in words."""
        return "dead" if self.silent is None else f"no sign of life for {self.silent:.0f} s"

    @property
    def told_silence(self) -> str:
        """How long it has given no sign, in words; empty if that is no reason to worry."""
        return "" if self.silent is None or self.is_well else f"silent since {self.silent:.0f} s"

    def __str__(self) -> str:
        """Return it for people."""
        if self.life is None:
            return "not to be seen from here"
        life = "" if self.life is Life.SILENT else self.life.value
        return ", ".join(filter(None, [life, self.told_silence]))


class Holder(NamedTuple):
    """Who has something in hands, or is writing it.

    Attributes:
        owner: Its name.
        peer: The process; None if nothing is known of it.
        life: How it is.
        taken: What it has claimed: names as they were.
        writing: What it is writing.
    """

    owner: str
    peer: Peer | None
    life: Known
    taken: list[str]
    writing: list[str]

    @property
    def dead(self) -> bool | None:
        """Whether it is dead; None if that cannot be seen from here."""
        return None if self.life.life is None else self.life.life is Life.DEAD


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
        life: How its process is, while something is still to come of it.
    """

    name: str
    state: str
    peer: Peer | None
    reason: str = ""
    life: Known = Known(None)


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

    def silent(self, longest: float) -> list[str]:
        """Return of whom nothing may come any more, in words: the dead, and the silent.

        Args:
            longest: How long one may be silent, in seconds.
        """
        producers = [it for it in self.producers if it.state in _UNDER_WAY]
        holders = [it for it in self.holders if it.taken or it.writing]
        known = [(f"producer {it.name}, {it.peer}", it.life) for it in producers]
        known += [(str(it.peer), it.life) for it in holders]
        return [f"{who}: {life.complaint}" for who, life in known if life.is_bad(longest)]

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
        yield Holder(owner, watch.peer_of(name), _known(watch, name), taken, writing)


def _known(watch: Watch, owner: str, peer: Peer | None = None) -> Known:
    """Return how an owner is, by one look; the process is that of one whose card may be gone."""
    dead = watch.is_dead(owner) if peer is None else watch.has_died(peer, owner)
    if (silence := watch.silence_of(owner)) is not None:
        return Known(silence.life, round(silence.seconds, 1))
    return Known(None if dead is None else Life.DEAD if dead else Life.ALIVE)


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
            known = Known(None)
            if helo is not None and peer is not None:
                known = _known(watch, helo.owner, peer)
            state = "dead" if known.life is Life.DEAD else "working"
            yield ProducerState(name, state, peer, life=known)


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
