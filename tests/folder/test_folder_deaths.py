"""Die, or fail, at every named instant of a folder; start again; every file is there once."""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import persistq.folder
from persistq import DONE, FolderQueue, failpoints
from persistq.errors import PersistqError
from persistq.folder import renames
from persistq.folder.putting import Putter

TIMES = {"poll": 0.005, "settle": 0.012}
SINGLE = ["a.csv", "b.csv", "bad.csv"]
GROUPED = [f"{day}_{member}.csv" for day in ("0301", "0302") for member in ("north", "south")]


ELSEWHERE = ("loadclaims.py", "outbox.py", "retrying.py")


def _points() -> list[str]:
    pattern = re.compile(r'failpoints\.point\(\s*"([^"]+)"')
    # Who works for a load, or puts back, dies in `test_folder_loads.py` or `..._retries.py`.
    code = set(Path(persistq.folder.__file__).parent.glob("*.py"))
    code = {path for path in code if path.name not in ELSEWHERE}
    return sorted({name for path in code for name in pattern.findall(path.read_text())})


POINTS = _points()


# --- programs that are killed ---------------------------------------------------------------------


def with_files(home: Path) -> None:
    """Move files in, ask for time, give one back, finish some and park one."""
    folder = FolderQueue(home / "in", producer="north", **TIMES)
    _bring(folder, home)
    folder.close()
    assert folder.get() is not None
    folder.extend(60)
    folder.dispose()
    _finish(folder)
    folder.release()


def with_moves(home: Path) -> None:
    """Move files from another file system; who dies before the source goes may put it again."""
    Putter._moved = lambda *args: False  # type: ignore[method-assign]
    folder = FolderQueue(home / "in", producer="north", **TIMES)
    for source in sorted((home / "out").iterdir()):
        with suppress(FileExistsError):
            folder.put(source)
    folder.close()
    _finish(folder)


def with_copies(home: Path) -> None:
    """Copy files in, as from another file system; finished ones are deleted."""
    folder = FolderQueue(home / "in", producer="north", done="delete", **TIMES)
    for source in sorted((home / "out").iterdir()):
        with suppress(FileExistsError):
            folder.put(source, copy=True)
        source.unlink()
    folder.close()
    _finish(folder)


def with_links(home: Path) -> None:
    """The same as files, where the file system cannot rename without replacing."""
    renames._rename = _refuse  # type: ignore[assignment]
    with_files(home)


def with_groups(home: Path) -> None:
    """Two groups, of which one is parked."""
    folder = FolderQueue(home / "in", producer="north", **GROUPS, **TIMES)
    _bring(folder, home)
    folder.close()
    _finish(folder)


def with_deleted_groups(home: Path) -> None:
    """Two groups that are deleted when they are finished."""
    folder = FolderQueue(home / "in", producer="north", done="delete", **GROUPS, **TIMES)
    _bring(folder, home)
    folder.close()
    for _ in folder:
        folder.task_done()


def with_rows(home: Path) -> None:
    """Rows in batch files, of which one is parked."""
    rows = FolderQueue.rows(home / "in", producer="north", batch=2, ready_max=0, **TIMES)
    for source in sorted((home / "out").iterdir()):
        rows.put(source.name)
        source.unlink()
    rows.close()
    while (row := rows.get()) is not DONE:
        rows.task_failed(row, "bad") if "bad" in row else rows.task_done(row)


GROUPS: dict[str, Any] = {
    "group": r"(?P<group>\d+)_(?P<member>\w+)\.csv",
    "members": {"north", "south"},
}


class Scenario(NamedTuple):
    """What is done to a folder by processes that die.

    Attributes:
        program: What each of them does.
        names: What is put, by name.
        died: Where one has died before, so that there is something to recover.
    """

    program: Callable[[Path], None]
    names: list[str]
    died: str = ""


SCENARIOS = {
    "files": Scenario(with_files, SINGLE),
    "files, recovered": Scenario(with_files, SINGLE, "folder.after_claim"),
    "files, parked": Scenario(with_files, SINGLE, "folder.before_why"),
    "copies": Scenario(with_copies, SINGLE),
    "copies, recovered": Scenario(with_copies, SINGLE, "folder.before_publish"),
    "links": Scenario(with_links, SINGLE),
    "moves": Scenario(with_moves, SINGLE),
    "groups": Scenario(with_groups, GROUPED),
    "groups, recovered": Scenario(with_groups, GROUPED, "folder.after_group"),
    "groups, half taken": Scenario(with_groups, GROUPED, "folder.within_group"),
    "deleted groups": Scenario(with_deleted_groups, GROUPED),
    "deleted groups, recovered": Scenario(with_deleted_groups, GROUPED, "folder.before_delete"),
    "rows": Scenario(with_rows, SINGLE),
    "rows, recovered": Scenario(with_rows, SINGLE, "folder.after_row"),
}


def _bring(folder: FolderQueue[Any], home: Path) -> None:
    for source in sorted((home / "out").iterdir()):
        folder.put(source)


def _finish(folder: FolderQueue[Any]) -> None:
    while (item := folder.get()) is not DONE:
        first = item[0] if isinstance(item, list) else item
        if first.name.partition(".")[2].startswith("bad") or first.name.startswith("0302"):
            folder.task_failed(item, "bad")
        else:
            folder.task_done(item)


def _refuse(source: Path, target: Path) -> None:
    raise renames.CannotRefuse(22, "as on NFS")


# --- what is looked at afterwards -----------------------------------------------------------------


def _run(program: Callable[[Path], None], home: Path, armed: str, hits: str = "") -> int:
    """Run a program in a process of its own; return its exit code."""
    if not (pid := os.fork()):
        code = 1
        try:
            failpoints._armed, failpoints._hits = failpoints._parse(armed), hits
            os.fsync = lambda file: None  # no power is cut here
            program(home)
            code = 0
        except (OSError, PersistqError):
            code = 3
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _home(scenario: Scenario, home: Path) -> Path:
    """Return a place where a process has died, if one should have."""
    (home / "out").mkdir(parents=True)
    for one in scenario.names:
        (home / "out" / one).write_text(one)
    if scenario.died:
        assert _run(scenario.program, home, f"{scenario.died}:kill") == -signal.SIGKILL
    return home


def _hits(scenario: Scenario, place: Path) -> dict[str, int]:
    """Return how often each point is come to if nobody dies there."""
    home, hits = _home(scenario, place / "rehearsal"), place / "hits"
    hits.mkdir()
    assert _run(scenario.program, home, "", str(hits)) == 0
    _check(scenario, home, "rehearsal")
    return {path.name: len(path.read_text().splitlines()) for path in hits.iterdir()}


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file())


def _found(folder: Path) -> Counter[str]:
    """Return how often what was put is there, by what is in the files."""
    places = (folder / ".done", folder / ".parked")
    files = [path for place in places if place.exists() for path in _files(place)]
    texts = [path.read_text() for path in files if not path.name.endswith(".why.json")]
    lines = [line for text in texts for line in text.splitlines() if '"end"' not in line]
    return Counter(line.strip('"') for line in lines)


def _check(scenario: Scenario, home: Path, what: str) -> None:
    """What is moved is there once; of copies and rows nothing is missing."""
    folder = home / "in"
    if scenario.program in (with_files, with_links, with_groups):
        assert _found(folder) == Counter(scenario.names), what
    elif scenario.program in (with_rows, with_moves):
        assert set(_found(folder)) == set(scenario.names), what
    parked = [path for path in (folder / ".parked").iterdir() if ".why." not in path.name]
    for path in parked:
        assert json.loads(path.with_name(f"{path.name}.why.json").read_text())["reason"], what
    assert len(list((folder / ".parked").iterdir())) == 2 * len(parked), what
    places = (".taken", ".tmp", ".crashes")
    assert [path for place in places for path in _files(folder / place)] == [], what
    assert [path for path in folder.iterdir() if path.suffix in (".csv", ".jsonl")] == [], what


FAULTS = [(name, "kill") for name in SCENARIOS] + [("files", "error"), ("rows", "error")]


@pytest.mark.parametrize(("name", "action"), FAULTS)
def test_who_dies_at_any_rename_loses_and_doubles_nothing(
    name: str, action: str, tmp_path: Path
) -> None:
    """At the first and the last time that it comes there; then it is started again."""
    scenario = SCENARIOS[name]
    for point, last in _hits(scenario, tmp_path).items():
        if action == "error" and point not in POINTS:
            continue  # Whether the folder is in the register, for example, is no matter of life.
        for hit in {1, last} if scenario.program is with_files else {last}:
            what = f"{point}@{hit}"
            home = _home(scenario, tmp_path / what)
            code = _run(scenario.program, home, f"{point}@{hit}:{action}")
            assert code == (-signal.SIGKILL if action == "kill" else 3), what
            assert _run(scenario.program, home, "") == 0, what
            _check(scenario, home, what)


def test_there_is_no_point_at_which_nobody_dies(tmp_path: Path) -> None:
    """Each named instant is come to by one of these programs."""
    reached: set[str] = set()
    for number, scenario in enumerate(SCENARIOS.values()):
        (tmp_path / str(number)).mkdir()
        reached |= _hits(scenario, tmp_path / str(number)).keys()
    assert set(POINTS) - reached == set()
