"""Any history of puts, gets, deaths, and `mv` by hand leaves each file at exactly one place."""

from __future__ import annotations

import os
import queue as stdlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from mortal import Died, Mortals

from persistq import DONE, FAILED, FolderQueue, QueueClosed, UsageError
from persistq.folder.controls import names_of, read_controls
from persistq.folder.listing import list_folder, pattern_of
from persistq.folder.names import WHY
from persistq.folder.place import place_of
from persistq.folder.rounds import last_round

FULL = os.environ.get("PERSISTQ_TEST_FULL") == "1"

ACTORS_MAX: Final = 4
CRASHES_MAX: Final = 2
NAMES: Final = ["a.csv", "b.csv", "c", "~2", "a~2.csv"]
GROUPED: Final = ["1_n.csv", "1_s.csv", "2_n.csv", "2_s.csv"]
GROUPS: Final[dict[str, Any]] = {
    "group": r"(?P<group>\d+)_(?P<member>\w+)\.csv",
    "members": {"n", "s"},
    "match": "*.csv",
}
PRODUCERS: Final = ["north", "south"]
DEAD: Final = object()

LIVES = st.just(0) | st.integers(1, 14)
"""At how many fail-points a process dies; 0 is at none."""


@dataclass(eq=False)
class Actor:
    """A process with the folder open.

    Attributes:
        number: Which process.
        folder: The folder.
        began: How many rounds were over when it began.
        producer: Who it is, if it puts.
        held: What it has got, by what `get` has answered.
    """

    number: int
    folder: FolderQueue[Any]
    began: int
    producer: str
    held: dict[int, tuple[Any, list[str]]] = field(default_factory=dict)


class FolderMachine(RuleBasedStateMachine):
    """Plays processes, and people with a shell, and knows where each file should be.

    A file is known by what is in it. Of a producer it is known what it has said in this round: its
    process while it is open, `DONE` or `FAILED`.
    """

    names = NAMES
    options: dict[str, Any] = {}  # noqa: RUF012 - a subclass says others

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="folder-machine-"))
        self.mortals = Mortals()
        self.installed = ExitStack()
        self.numbers = count(1)
        self.contents = count(1)
        self.place: dict[str, Any] = {}
        self.deaths: Counter[str] = Counter()
        self.actors: dict[int, Actor] = {}
        self.rounds = 0
        self.said: dict[str, Any] = {}
        self.voice: dict[str, int] = {}

    @property
    def path(self) -> Path:
        """The folder."""
        return self.home / "in"

    @initialize(links=st.booleans())
    def begin(self, links: bool) -> None:
        """Where renames refuse to replace, or only links do."""
        (self.home / "out").mkdir()
        self.installed.enter_context(self.mortals.installed(links=links))

    def teardown(self) -> None:
        """All that nobody alive has is finished in the end."""
        try:
            if self.installed is not None and (self.home / "out").exists():
                self.work_off()
        finally:
            for actor in self.actors.values():
                self.mortals.bury(actor.number, actor.folder)
            self.installed.close()
            shutil.rmtree(self.home)

    # --- processes ---

    def opened(self, number: int, **options: Any) -> FolderQueue[Any]:
        """Open the folder."""
        kept = {"poll": 0.0, "settle": 0.0, "max_crashes": CRASHES_MAX, **self.options}
        return FolderQueue(self.path, **{**kept, **options})

    @precondition(lambda self: len(self.actors) < ACTORS_MAX)
    @rule(producer=st.sampled_from(["", *PRODUCERS]), lives=LIVES)
    def open(self, producer: str, lives: int) -> None:
        """A process begins."""
        number = next(self.numbers)
        before = self.said.get(producer)
        alive = before is not DONE and self.voice.get(producer) in self.actors
        try:
            folder = self.mortals.act(number, lives, lambda: self.opened(number, producer=producer))
        except UsageError:
            assert alive, "a producer was refused that nobody is"
            return
        except Died:
            self.hear(producer, {before, number})
            return
        # Who has failed may have closed before.
        assert not alive or before is FAILED, "one producer is two processes"
        if producer:
            self.said[producer] = self.voice[producer] = number
        self.actors[number] = Actor(number, folder, self.rounds, producer)

    def act(self, actor: Actor, lives: int, do: Callable[[], Any], settled: str = "") -> Any:
        """Let a process do something; `DEAD` if it has died of it, having settled files perhaps."""
        try:
            return self.mortals.act(actor.number, lives, do)
        except Died:
            self.bury(actor)
            self.look_after_the_dead(settled)
            return DEAD

    def bury(self, actor: Actor) -> None:
        """Know that a process is dead, and blame it on what it got first."""
        self.mortals.bury(actor.number, actor.folder)
        del self.actors[actor.number]
        for contents in [contents for _, contents in actor.held.values()]:
            self.deaths.update(contents)

    @precondition(lambda self: self.actors)
    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        """A process dies while it does nothing."""
        self.bury(self.choose(data))

    @precondition(lambda self: self.actors)
    @rule(data=st.data(), lives=LIVES)
    def leave(self, data: st.DataObject, lives: int) -> None:
        """A process ends well."""
        actor = self.choose(data)
        if self.act(actor, lives, actor.folder.release) is not DEAD:
            self.given_back(actor)
            self.mortals.bury(actor.number, actor.folder)
            del self.actors[actor.number]

    @precondition(lambda self: self.actors)
    @rule(data=st.data(), lives=LIVES)
    def dispose(self, data: st.DataObject, lives: int) -> None:
        """A process stops getting."""
        actor = self.choose(data)
        if self.act(actor, lives, actor.folder.dispose) is not DEAD:
            self.given_back(actor)

    def given_back(self, actor: Actor) -> None:
        """Know that what a process had waits."""
        for _, contents in actor.held.values():
            self.place |= dict.fromkeys(contents, "waiting")
        actor.held.clear()

    # --- putting ---

    @precondition(lambda self: self.actors)
    @rule(data=st.data(), lives=LIVES)
    def put(self, data: st.DataObject, lives: int) -> None:
        """A file is put."""
        actor, name = self.choose(data), data.draw(st.sampled_from(self.names))
        content = f"{next(self.contents)}"
        source = self.home / "out" / content
        source.write_text(content)
        taken = (self.path / name).exists()
        try:
            ended = self.act(actor, lives, lambda: actor.folder.put(source, name=name))
        except FileExistsError:
            assert taken
        except QueueClosed:
            assert self.is_closed(actor) is not False
        else:
            assert ended is DEAD or not (taken or self.is_closed(actor))
            if content in self.contents_in(self.path):
                self.place[content] = "waiting"
            elif ended is DEAD and content in self.seen():
                # It is between two names: it waits in the end, or is parked if it was offered.
                self.place[content] = actor.number
                self.deaths[content] += CRASHES_MAX
        source.unlink(missing_ok=True)

    def is_closed(self, actor: Actor) -> bool | None:
        """Return whether a process may put nothing more; who has failed may have closed before."""
        if not actor.producer:
            return False
        said = self.said.get(actor.producer)
        if said is FAILED:
            return None
        return said is DONE or (said != actor.number and actor.began < self.rounds)

    @rule(name=st.sampled_from(NAMES + GROUPED))
    def write_by_hand(self, name: str) -> None:
        """A plain program puts a file."""
        self.path.mkdir(exist_ok=True)
        if name in self.names and not (self.path / name).exists():
            content = f"{next(self.contents)}"
            (self.path / name).write_text(content)
            self.place[content] = "waiting"

    @precondition(lambda self: any(actor.producer for actor in self.actors.values()))
    @rule(data=st.data(), lives=LIVES, fails=st.booleans())
    def end(self, data: st.DataObject, lives: int, fails: bool) -> None:
        """A producer is done, or has failed."""
        some = [actor for actor in self.actors.values() if actor.producer]
        actor = data.draw(st.sampled_from(some))
        before = self.said.get(actor.producer)
        ended = self.act(actor, lives, actor.folder.fail if fails else actor.folder.close)
        self.hear(actor.producer, {before, FAILED if fails else DONE})
        mine = before == actor.number
        if mine and ended is not DEAD:
            assert self.said[actor.producer] is (FAILED if fails else DONE)

    def hear(self, producer: str, possible: set[Any]) -> None:
        """Know what a producer has said whose process may have died saying it."""
        if not producer or not self.path.exists():
            return
        void = last_round(place_of(self.path)).void
        controls = read_controls(self.path, names_of(producer), void)
        said = None
        if (helo := controls.helos.get(producer)) is not None:
            assert helo.peer is not None
            said = self.voice[producer] = helo.peer.pid
        said = DONE if producer in controls.dones else said
        said = FAILED if producer in controls.faults else said
        assert said in possible, (producer, said, possible)
        self.said.pop(producer, None)
        if said is not None:
            self.said[producer] = said

    @rule(kind=st.sampled_from([DONE, FAILED, None]))
    def say_by_hand(self, kind: Any) -> None:
        """Somebody touches a control file, or removes all that have failed."""
        self.path.mkdir(exist_ok=True)
        if kind is None:
            for path in self.path.glob("*.failed"):
                path.unlink()
            for producer in [one for one, said in self.said.items() if said is FAILED]:
                del self.said[producer]
                self.hear(producer, {None, DONE, *self.mortals.dead, *self.actors})
        else:
            name = "done" if kind is DONE else "failed"
            (self.path / f"hand.{name}").touch()
            # Two files may come into being in one step of the file system's clock.
            os.utime(self.path / f"hand.{name}", (next(self.contents), 0))
            if self.said.get("hand") is not FAILED:
                self.said["hand"] = kind

    # --- getting ---

    @precondition(lambda self: self.actors)
    @rule(data=st.data(), lives=LIVES)
    def get(self, data: st.DataObject, lives: int) -> None:
        """A process asks for the next file."""
        actor = self.choose(data)
        for _ in range(4):
            answer = self.act(actor, lives, lambda: self.next_of(actor))
            self.look_after_the_dead()
            if answer is not None:
                break
        if answer is DEAD:
            self.note_last_claim(actor)
            self.close_round_if_it_is()
        elif answer is DONE:
            self.close_round_if_it_is()
            assert actor.began < self.rounds, "DONE came early"
        elif answer is FAILED:
            assert self.failed, "FAILED came without a reason"
        elif answer is None:
            assert not self.failed, "FAILED was lost"
            assert actor.began == self.rounds, "the end of a round was lost"
            assert self.is_paused or not self.claimable, "what waits was not handed out"
            assert not self.is_over, "DONE was lost"
        else:
            self.note_claim(actor, answer)

    def note_last_claim(self, actor: Actor) -> None:
        """Know what a process has claimed that has died before it could say so."""
        for content, place in self.seen().items():
            if place == "taken" and self.place[content] == "waiting":
                self.place[content] = actor.number
                self.deaths[content] += 1

    def next_of(self, actor: Actor) -> Any:
        """Return what `get` answers, None for nothing."""
        reader: Any = actor.folder._open_channel()
        reader._fresh_until = 0.0
        try:
            return actor.folder.get(block=False)
        except stdlib.Empty:
            return None

    def note_claim(self, actor: Actor, answer: Any) -> None:
        """Know that a process has got something, which has waited."""
        assert not self.failed, "FAILED was lost"
        assert not self.is_paused
        paths = answer if isinstance(answer, list) else [answer]
        contents = [path.read_text() for path in paths]
        for content in contents:
            assert self.place[content] == "waiting"
            self.place[content] = actor.number
        actor.held[next(self.contents)] = answer, contents

    @property
    def failed(self) -> bool:
        """Whether somebody has failed, or died before it was done."""
        return any(said is FAILED or said in self.mortals.dead for said in self.said.values())

    @property
    def is_paused(self) -> bool:
        """Whether nobody is to claim anything."""
        return (self.path / "PAUSE").exists()

    @property
    def claimable(self) -> bool:
        """Whether something waits."""
        return "waiting" in self.place.values()

    @property
    def may_lack_others(self) -> bool:
        """Whether what waits may wait for what somebody has, which may come back."""
        return False

    @property
    def is_over(self) -> bool:
        """Whether a round is over."""
        done = self.said and all(said is DONE for said in self.said.values())
        return bool(done) and set(self.place.values()) <= {"done", "parked"}

    def close_round_if_it_is(self) -> None:
        """Know that a round is over, which was right."""
        number = last_round(place_of(self.path)).number
        if number > self.rounds:
            assert number == self.rounds + 1
            assert self.is_over, "DONE came early"
            self.rounds, self.said, self.voice = number, {}, {}

    def look_after_the_dead(self, settled: str = "") -> None:
        """Know where what the dead had is now: in their hands, waiting, or parked if it kills."""
        seen = self.seen()
        for content, place in self.place.items():
            if self.options and place == "waiting" and seen[content] == "parked":
                # Of a group that was not complete when all was over.
                self.place[content] = "parked"
            if place in self.mortals.dead:
                now = seen[content]
                assert now in {"waiting", "parked", "taken", settled}
                assert now != "parked" or now == settled or self.deaths[content] >= CRASHES_MAX
                self.place[content] = place if now == "taken" else now

    @precondition(lambda self: any(actor.held for actor in self.actors.values()))
    @rule(data=st.data(), lives=LIVES, fails=st.booleans())
    def settle(self, data: st.DataObject, lives: int, fails: bool) -> None:
        """A process finishes something, or gives it up."""
        actor = data.draw(st.sampled_from([one for one in self.actors.values() if one.held]))
        key = data.draw(st.sampled_from([*actor.held]))
        answer, contents = actor.held[key]
        settle = actor.folder.task_failed if fails else actor.folder.task_done
        place = "parked" if fails else "done"
        if self.act(actor, lives, lambda: settle(answer), place) is not DEAD:
            del actor.held[key]
            self.place |= dict.fromkeys(contents, place)

    # --- people with a shell ---

    @rule()
    def pause(self) -> None:
        """`touch PAUSE`, or `rm PAUSE`."""
        self.path.mkdir(exist_ok=True)
        if self.is_paused:
            (self.path / "PAUSE").unlink()
        else:
            (self.path / "PAUSE").touch()

    @precondition(lambda self: "parked" in self.place.values())
    @rule(data=st.data(), with_reason=st.booleans())
    def try_again(self, data: st.DataObject, with_reason: bool) -> None:
        """`mv .parked/x .`, perhaps with all that begins so."""
        parked = sorted(self.path.glob(".parked/*"))
        items = [path for path in parked if not path.name.endswith(WHY)]
        path = data.draw(st.sampled_from(items))
        if (self.path / path.name).exists():
            return
        contents = self.contents_in(path) if path.is_dir() else [path.read_text()]
        if path.is_dir():
            members = [*path.iterdir()]
            if any((self.path / member.name).exists() for member in members):
                return
            for member in members:
                member.rename(self.path / member.name)
            path.rmdir()
        else:
            path.rename(self.path / path.name)
        if with_reason:
            with suppress(FileNotFoundError):
                path.with_name(path.name + WHY).rename(self.path / (path.name + WHY))
        self.place |= dict.fromkeys(contents, "waiting")

    @precondition(lambda self: self.waiting_files())
    @rule(data=st.data())
    def put_aside(self, data: st.DataObject) -> None:
        """`mv x .parked/`."""
        path = data.draw(st.sampled_from(self.waiting_files()))
        if (self.path / ".parked").exists() and not (self.path / ".parked" / path.name).exists():
            self.place[path.read_text()] = "parked"
            path.rename(self.path / ".parked" / path.name)

    def waiting_files(self) -> list[Path]:
        """Return the paths of what waits."""
        if not self.path.exists():
            return []
        found = list_folder(place_of(self.path), pattern_of("*")).items
        return sorted(self.path / name for name in found)

    # --- what always holds ---

    @invariant()
    def each_file_is_at_exactly_one_place(self) -> None:
        """Nothing is lost, nothing is doubled, and it lies where it should."""
        known = {one: "taken" if type(at) is int else at for one, at in self.place.items()}
        assert self.seen() == known

    def seen(self) -> dict[str, str]:
        """Return where files are, by what is in them."""
        places = {"waiting": self.waiting_files()}
        for place in ("taken", "done", "parked"):
            files = (self.path / f".{place}").rglob("*")
            places[place] = [path for path in files if path.is_file() and WHY not in path.name]
        drafts = [*self.path.glob(".tmp/*/*.moved"), *self.path.glob(".tmp/*/*.offered")]
        places["taken"] += [path for path in drafts if path.stat().st_nlink == 1]
        found = [(path.read_text(), place) for place, some in places.items() for path in some]
        assert len(found) == len(dict(found)), found
        return dict(found)

    def contents_in(self, directory: Path) -> list[str]:
        """Return what is in the files of a directory."""
        return [path.read_text() for path in directory.iterdir() if path.is_file()]

    def choose(self, data: st.DataObject) -> Actor:
        """Draw a process."""
        return data.draw(st.sampled_from([*self.actors.values()]))

    def work_off(self) -> None:
        """Finish all that nobody alive has, whoever has failed."""
        for path in [self.path / "PAUSE", *self.path.glob("*.failed")]:
            path.unlink(missing_ok=True)
        held = [one for actor in self.actors.values() for _, one in actor.held.values()]
        survivor = next(self.numbers)

        def finish_all() -> None:
            queue = self.opened(survivor, drain=True, dead_producer="wait", incomplete="deliver")
            queue._leave_at_exit()
            for _ in self.answers(queue):
                queue.task_done()
            self.mortals.bury(survivor, queue)

        self.mortals.act(survivor, 0, finish_all)
        kept = {content for some in held for content in some}
        for content, place in self.seen().items():
            assert place == "taken" or content not in kept
            assert place != "taken" or content in kept
            assert place != "waiting" or (kept and self.may_lack_others)

    def answers(self, queue: FolderQueue[Any]) -> Iterator[Any]:
        """Yield what a queue hands out, until it says that there is nothing more."""
        empty = 0
        while empty < 4:
            try:
                answer = queue.get(block=False)
            except stdlib.Empty:
                empty += 1
                # Not only when its time has come again.
                queue._open_channel()._recover_at = 0.0  # type: ignore[attr-defined]
                continue
            if answer is DONE or answer is FAILED:
                return
            empty = 0
            yield answer


class GroupMachine(FolderMachine):
    """The same with groups of two files, which are at one place together once they are claimed."""

    names = GROUPED
    options = GROUPS

    @property
    def claimable(self) -> bool:
        """Whether a group is complete."""
        names = Counter(path.name for path in self.waiting_files())
        pairs = [{f"{group}_n.csv", f"{group}_s.csv"} for group in (1, 2)]
        return any(pair <= names.keys() for pair in pairs) and not any("~" in n for n in names)

    @property
    def may_lack_others(self) -> bool:
        """Whether no group that waits is complete."""
        return not self.claimable


STEPS = settings(
    max_examples=300 if FULL else 20,
    stateful_step_count=50 if FULL else 25,
    deadline=None,
)

TestFolder: Any = FolderMachine.TestCase
TestFolder.settings = STEPS

TestGroups: Any = GroupMachine.TestCase
TestGroups.settings = STEPS
