"""What lies there when a process dies, what the next start makes of it, and what is seen, in rows.

Each row is played where renames refuse to replace and where only links do, and again with whoever
recovers dying at each of its own steps that it comes to. `test_folder_deaths.py` dies at all other
instants, and the rows of pipelines are in `test_folder_loads.py`.
"""

from __future__ import annotations

import json
import os
import queue as stdlib
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from persistq import DONE, FolderQueue, failpoints
from persistq.errors import PersistqError
from persistq.folder import putting, renames
from persistq.folder.names import WHY, original
from persistq.folder.place import place_of
from persistq.folder.putting import Putter
from persistq.folder.rounds import last_round
from persistq.pipeline.arrivals import Arrivals
from persistq.pipeline.currentload import CurrentLoad, current_load
from tests.folder.loads import finish

TIMES: dict[str, Any] = {"poll": 0.005, "settle": 0.012}
GROUPS: dict[str, Any] = {
    "group": r"(?P<group>\d+)_(?P<member>\w+)\.csv",
    "members": {"north", "south"},
}
MEMBERS = ("1_north.csv", "1_south.csv")

RECOVERER_DIES_AT = (
    "folder.before_recovery",
    "folder.after_recovery",
    "folder.before_give_back",
    "folder.after_give_back",
    "folder.within_recovery",
    "folder.within_clearing",
)

Program = Callable[[Path], object]


# --- who dies -------------------------------------------------------------------------------------


def _opened(home: Path, **options: Any) -> FolderQueue[Any]:
    return FolderQueue(home / "in", **{**TIMES, **options})


def moves(home: Path) -> None:
    """Put a file by moving it."""
    _opened(home).put(home / "out/a")


def copies(home: Path) -> None:
    """Put a file of another file system: it is copied, and only then is the source removed."""
    Putter._moved = lambda *args: False  # type: ignore[method-assign]
    putting.shutil.copyfile = _half_at_first  # type: ignore[assignment]
    moves(home)


def claims(home: Path) -> None:
    """Claim a file, and finish it."""
    queue = _opened(home)
    queue.get()
    queue.task_done()


def parks(home: Path) -> None:
    """Claim a file, and have it parked."""
    queue = _opened(home)
    queue.get()
    queue.task_failed(error="this time")


def takes_groups(home: Path) -> None:
    """Claim a group."""
    _opened(home, **GROUPS).get()


def loads(home: Path) -> None:
    """Claim a file for a load, and finish it, as its source and its last stage do."""
    _act_as_load()
    _finishes_what_comes(home)


def ends(home: Path) -> None:
    """Find that a round is over."""
    assert _opened(home).get(timeout=30) is DONE


# --- what happens before the next start -----------------------------------------------------------


def consumed(home: Path) -> None:
    """A reader is quick."""
    queue = _opened(home)
    queue.get(timeout=30)
    queue.task_done()
    queue.release()


def consumed_and_deleted(home: Path) -> None:
    """A reader that is none of ours takes the file, and removes it."""
    (home / "in/a").unlink()


# --- the next start -------------------------------------------------------------------------------


def starts_again(home: Path) -> None:
    """Put what is still to be put, and finish all that comes."""
    queue = _opened(home, drain=True)
    for source in sorted((home / "out").iterdir()):
        with suppress(FileExistsError):
            queue.put(source)
    for _ in queue:
        queue.task_done()
    queue.release()


def starts_again_with_groups(home: Path) -> None:
    """Finish groups; what is none is parked."""
    queue = _opened(home, drain=True, **GROUPS)
    for _ in queue:
        queue.task_done()
    queue.release()


def loads_again(home: Path) -> None:
    """Call the source of the load again: what it puts is handled and finished once each."""
    _act_as_load()
    starts_again(home)
    _finishes_what_comes(home)


def _finishes_what_comes(home: Path) -> None:
    for path in Arrivals(str(home / "in"), {"drain": True, **TIMES})():
        finish(path)


def _act_as_load() -> None:
    current_load.set(CurrentLoad("sales-1", "run", False))


def _half_at_first(source: Path, draft: Path) -> None:
    draft.write_text(source.read_text()[:1])
    failpoints.point("test.half_copied")
    draft.write_text(source.read_text())


# --- the table ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One row: who dies where, what lies there then, and what is seen in the end.

    Attributes:
        dies: The row, in words.
        program: Who dies.
        at: Where.
        lies: How many files there are of each pattern when it is dead.
        finished: What is finished after the next start, by content.
        put: What is to be put, by name.
        waits: What waits before.
        parked: Names of what is parked in the end.
        left: What is still at its source, by name.
        meanwhile: What happens before the next start.
        again: The next start.
        forms: Where renames refuse to replace, or ``links`` where they cannot.
    """

    dies: str
    program: Program
    at: str
    lies: dict[str, int]
    finished: dict[str, int]
    put: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()
    parked: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    meanwhile: Program | None = None
    again: Program = starts_again
    forms: tuple[str, ...] = ("renames", "links")
    facts: dict[str, Any] = field(default_factory=dict)


TAKEN, TMP = "in/.taken/*/*", "in/.tmp/*/*"

TABLE = [
    Row(
        "put: while copying",
        copies,
        "test.half_copied",
        {"out/a": 1, "in/a": 0, f"{TMP}.copy": 1},
        {"a whole": 1},
        put=("a",),
        parked=("a",),
    ),
    Row(
        "put: when it has copied, before the copy is published",
        copies,
        "folder.within_copy",
        {"out/a": 1, "in/a": 0, f"{TMP}.copy": 1},
        {"a whole": 1},
        put=("a",),
        parked=("a",),
    ),
    Row(
        "put: after publish, before unlink of the source: put again, it is refused",
        copies,
        "folder.before_unlink",
        {"out/a": 1, "in/a": 1, f"{TMP}.copy": 0},
        {"a whole": 1},
        put=("a",),
        left=("a",),
    ),
    Row(
        "put: the same, consumed meanwhile: put again, it is there twice",
        copies,
        "folder.before_unlink",
        {"out/a": 1, "in/a": 1},
        {"a whole": 2},
        put=("a",),
        meanwhile=consumed,
    ),
    Row(
        "put by link, before unlink of the source: put again, the second step is done",
        moves,
        "folder.between_links",
        {"out/a": 1, "in/a": 1},
        {"a whole": 1},
        put=("a",),
        forms=("links",),
    ),
    Row(
        "put of a copy by link, before unlink of the copy",
        copies,
        "folder.between_links",
        {"out/a": 1, "in/a": 1, f"{TMP}.copy": 1},
        {"a whole": 1},
        put=("a",),
        left=("a",),
        forms=("links",),
    ),
    Row(
        "put of a copy by link, before unlink of the copy, and consumed: never published again",
        copies,
        "folder.between_links",
        {"in/a": 1, f"{TMP}.copy": 1},
        {"a whole": 1},
        put=("a",),
        parked=("a",),
        meanwhile=consumed_and_deleted,
        forms=("links",),
    ),
    Row(
        "claim: before rename",
        claims,
        "folder.before_claim",
        {"in/a": 1, TAKEN: 0},
        {"a whole": 1},
        waits=("a",),
    ),
    Row(
        "claim: after rename",
        claims,
        "folder.after_claim",
        {"in/a": 0, TAKEN: 1},
        {"a whole": 1},
        waits=("a",),
    ),
    Row(
        "claim for a load: before the put-log",
        loads,
        "folder.before_claim_put",
        {"in/a": 0, "in/.taken/load~sales-1/*.a": 1},
        {"a whole": 1},
        waits=("a",),
        again=loads_again,
    ),
    Row(
        "load: when its item is done, before the rename to .done",
        loads,
        "folder.before_finish",
        {"in/.taken/load~sales-1/*.a": 1, "in/.done/a": 0},
        {"a whole": 1},
        waits=("a",),
        again=loads_again,
    ),
    Row(
        "load: after the rename to .done",
        loads,
        "folder.after_finish",
        {"in/.taken/load~sales-1/*.a": 0, "in/.done/a*": 1},
        {"a whole": 1},
        waits=("a",),
        again=loads_again,
    ),
    Row(
        "group: some of its files are taken",
        takes_groups,
        "folder.within_group@2",
        {"in/1_south.csv": 1, "in/.taken/*/*.part/1_north.csv": 1},
        {"1_north.csv whole": 1, "1_south.csv whole": 1},
        waits=MEMBERS,
        again=starts_again_with_groups,
    ),
    Row(
        "group: all are taken, and it is not claimed",
        takes_groups,
        "folder.before_group",
        {"in/*.csv": 0, "in/.taken/*/*.part/*.csv": 2},
        {"1_north.csv whole": 1, "1_south.csv whole": 1},
        waits=MEMBERS,
        again=starts_again_with_groups,
    ),
    Row(
        "group: claimed",
        takes_groups,
        "folder.after_group",
        {"in/*.csv": 0, "in/.taken/*/*.group/*.csv": 2},
        {"1_north.csv whole": 1, "1_south.csv whole": 1},
        waits=MEMBERS,
        again=starts_again_with_groups,
    ),
    Row(
        "finishing: before the rename to .done",
        claims,
        "folder.before_done",
        {TAKEN: 1, "in/.done/*": 0},
        {"a whole": 1},
        waits=("a",),
    ),
    Row(
        "finishing: after the rename to .done",
        claims,
        "folder.after_done",
        {TAKEN: 0, "in/.done/*": 1},
        {"a whole": 1},
        waits=("a",),
    ),
    Row(
        "park: the reason is written, nothing is renamed",
        parks,
        "folder.before_park",
        {TAKEN: 1, f"{TMP}.why": 1, "in/.parked/*": 0},
        {"a whole": 1},
        waits=("a",),
    ),
    Row(
        "park: the file is aside, its reason is not",
        parks,
        "folder.before_why",
        {TAKEN: 0, f"{TMP}.why": 1, "in/.parked/*": 1},
        {},
        waits=("a",),
        parked=("a",),
        facts={"reason": "this time"},
    ),
    Row(
        "park: both are aside",
        parks,
        "folder.after_why",
        {TAKEN: 0, f"{TMP}.why": 0, "in/.parked/*": 2},
        {},
        waits=("a",),
        parked=("a",),
        facts={"reason": "this time"},
    ),
]

CASES = [
    pytest.param(row, form, id=f"{row.dies}, by {form}") for row in TABLE for form in row.forms
]


@pytest.mark.parametrize(("row", "form"), CASES)
def test_row(row: Row, form: str, tmp_path: Path) -> None:
    """Killed exactly there; then it is started again, perhaps twice; then it is looked."""
    hits = tmp_path / "hits"
    hits.mkdir()
    _play(row, form, tmp_path / "undisturbed", hits=hits)
    for point in sorted({path.name for path in hits.iterdir()} & {*RECOVERER_DIES_AT}):
        _play(row, form, tmp_path / point, recoverer_dies_at=point)


def _play(row: Row, form: str, home: Path, *, recoverer_dies_at: str = "", hits: Any = "") -> None:
    _prepare(row, home)
    assert _run(row.program, home, form, f"{row.at}:kill") == -signal.SIGKILL
    assert {pattern: len([*home.glob(pattern)]) for pattern in row.lies} == row.lies
    if row.meanwhile:
        assert _run(row.meanwhile, home, form) == 0
    if recoverer_dies_at:
        assert _run(row.again, home, form, f"{recoverer_dies_at}:kill") == -signal.SIGKILL
    assert _run(row.again, home, form, hits=str(hits)) == 0
    _look(row, home)


def _prepare(row: Row, home: Path) -> None:
    home.mkdir()
    for directory, some in (("out", row.put), ("in", row.waits)):
        (home / directory).mkdir()
        for one in some:
            (home / directory / one).write_text(f"{one} whole")


def _look(row: Row, home: Path) -> None:
    assert Counter(path.read_text() for path in _files(home / "in/.done")) == row.finished
    parked = [path for path in (home / "in/.parked").iterdir() if not path.name.endswith(WHY)]
    assert tuple(sorted(original(path.name) for path in parked)) == row.parked
    for path in parked:
        why = json.loads(path.with_name(path.name + WHY).read_text())
        assert row.facts.items() <= why.items()
    left = chain(*(_files(home / "in" / name) for name in (".taken", ".tmp")))
    assert [*left] == []
    assert tuple(path.name for path in (home / "out").iterdir()) == row.left


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file())


def _run(program: Program, home: Path, form: str, armed: str = "", hits: str = "") -> int:
    """Run a program in a process of its own; return its exit code."""
    if not (pid := os.fork()):
        code = 1
        try:
            failpoints._armed, failpoints._hits = failpoints._parse(armed), hits
            os.fsync = lambda file: None  # no power is cut here
            if form == "links":
                renames._rename = _refuse  # type: ignore[assignment]
            program(home)
            code = 0
        except (OSError, PersistqError):
            code = 3
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _refuse(source: Path, target: Path) -> None:
    raise renames.CannotRefuse(22, "as on NFS")


# --- the end of a round ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "closed", "form"),
    [
        ("folder.before_round", 0, "renames"),
        ("folder.before_round", 0, "links"),
        ("folder.between_links", 1, "links"),
        ("folder.after_round", 1, "renames"),
    ],
)
def test_row_of_closing_a_round(tmp_path: Path, point: str, closed: int, form: str) -> None:
    """DONE comes once for each reader that began before, and for none that begins afterwards."""
    (tmp_path / "in").mkdir()
    early = [_opened(tmp_path) for _ in range(2)]
    (tmp_path / "in/north.done").touch()
    assert _run(ends, tmp_path, form, f"{point}:kill") == -signal.SIGKILL
    assert last_round(place_of(tmp_path / "in")).number == closed
    assert [reader.get(timeout=30) for reader in early] == [DONE, DONE]
    assert last_round(place_of(tmp_path / "in")).number == 1
    late = _opened(tmp_path)
    with pytest.raises(stdlib.Empty):
        late.get(timeout=0.05)
    assert not [*_files(tmp_path / "in/.tmp")]
    for reader in [*early, late]:
        reader.release()
