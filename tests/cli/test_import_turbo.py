"""``persistq folder import-turbo``: what an old queue has left is rows of a folder, each once."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from persistq import DONE, FolderQueue

from .acting import COMMAND, Call

BEGAN = 1_669_852_800

Write = Callable[..., Path]


def uuid(number: int) -> str:
    """Return one of the names that turbo-queue gives to batches."""
    return f"{number:08x}-0000-4000-8000-000000000000"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The directory of an old queue."""
    (tmp_path / "old").mkdir()
    return tmp_path / "old"


@pytest.fixture
def write(old: Path) -> Write:
    """Write a batch as turbo-queue does, written last at a moment."""

    def writing(name: str, *rows: Any, at: float = BEGAN) -> Path:
        path = old / name
        with closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE IF NOT EXISTS logs (log_data json)")
            for row in rows:
                stored = row if isinstance(row, bytes) else json.dumps(row)
                database.execute("INSERT INTO logs (log_data) VALUES (?)", (stored,))
            database.commit()
        os.utime(path, (at, at))
        return path

    return writing


@pytest.fixture
def left(write: Write) -> Iterator[Path]:
    """What one producer and crashed consumers have left; nothing of it is ever changed."""
    write(f"ready_{BEGAN + 1}_{uuid(9)}.db", 3, 4, at=BEGAN + 1.2)
    write(f"unload_{BEGAN + 1}_{uuid(5)}.db_3", 5, at=BEGAN + 1.4)
    write(f"ready_{BEGAN}_{uuid(7)}.db_temp_hold", 1, 2, at=BEGAN + 0.9)
    write(f"load_{BEGAN + 2}_{uuid(1)}.db", at=BEGAN + 2)
    write(f"ready_{BEGAN + 90}_{uuid(2)}_recovered.db", "six", at=BEGAN + 3)
    last = write(f"ready_unload_{BEGAN + 4}_{uuid(3)}.db_3", {"n": 7}, at=BEGAN + 5)
    before = looked_at(last.parent)
    yield last.parent
    assert looked_at(last.parent) == before


def looked_at(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return what lies in a directory, and since when."""
    found = {path: path.stat() for path in directory.iterdir()}
    return {
        path.name: (stat.st_ino, stat.st_ctime_ns, path.read_bytes())
        for path, stat in found.items()
    }


def rows_in(folder: str = "in") -> list[Any]:
    """Work on all rows of a folder, and return them."""
    queue: FolderQueue[Any] = FolderQueue.rows(folder, drain=True, poll=0.005, done="delete")
    rows = []
    while (row := queue.get()) is not DONE:
        rows.append(row)
        queue.task_done(row)
    queue.release()
    return rows


def test_what_is_left_is_imported_in_order(call: Call, left: Path) -> None:
    """By when batches were begun, and within a second by when each was written last."""
    made = call("folder", "import-turbo", str(left), "in")
    assert made.exit_code == 0, made.output
    assert "in: has got 7 rows of 5 files" in made.stdout
    assert "without rows: 1 times" in made.stderr
    assert rows_in() == [1, 2, 3, 4, 5, "six", {"n": 7}]


@pytest.mark.parametrize("state", ["loading", "chosen", "avail", "assigned", "load", "unload"])
def test_states_of_every_version_are_known(call: Call, write: Write, state: str) -> None:
    """Also before they had the names of today."""
    write(f"{state}_{BEGAN}_{uuid(1)}.db", "row")
    assert call("folder", "import-turbo", "old", "in").exit_code == 0
    assert rows_in() == ["row"]


def test_what_was_imported_is_not_imported_again(call: Call, left: Path) -> None:
    """Whatever was done with it since, and whatever it is called now."""
    assert call("folder", "import-turbo", str(left), "in").exit_code == 0
    assert len(rows_in()) == 7
    again = call("folder", "import-turbo", str(left), "in")
    assert again.exit_code == 0
    assert "0 rows of 0 files; 5 were imported before" in again.stdout
    assert rows_in() == []


def test_what_the_old_queue_has_recovered_meanwhile_is_known_again(
    call: Call, write: Write
) -> None:
    """Its `on_start_cleanup` gives what lies there another name, and another time."""
    path = write(f"unload_{BEGAN}_{uuid(1)}.db", "row")
    assert call("folder", "import-turbo", "old", "in").exit_code == 0
    path.rename(path.with_name(f"ready_{BEGAN + 99}_{uuid(77)}_recovered.db"))
    assert "1 were imported before" in call("folder", "import-turbo", "old", "in").stdout
    assert rows_in() == ["row"]


def test_values_come_as_they_were_put(call: Call, write: Write) -> None:
    """Numbers too, which SQLite has kept as numbers; and what ends loops elsewhere."""
    values = [1, 0, None, "", {}, [], False, -1.5, 1e300, "1", "é\n", "1e5", 2**62, {"a": [1]}]
    write(f"ready_{BEGAN}_{uuid(1)}.db", *values)
    assert call("folder", "import-turbo", "old", "in").exit_code == 0
    assert rows_in() == values


def test_rows_that_are_none_are_told_one_by_one(call: Call, write: Write) -> None:
    """Those around them are imported, and the next call tells it again."""
    path = write(f"ready_{BEGAN}_{uuid(1)}.db", "a", b"{half", b"\xff", float("nan"), "b")
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO logs VALUES (NULL)")
        database.commit()
    for _ in range(2):
        made = call("folder", "import-turbo", "old", "in")
        assert made.exit_code == 6
        for number in (2, 3, 4, 6):
            assert f"{path.name}: row {number} is no JSON value" in made.stderr
    assert rows_in() == ["a", "b"]


def test_many_bad_rows_are_counted(call: Call, write: Write) -> None:
    """A file of nothing else fills neither memory nor terminal."""
    write(f"ready_{BEGAN}_{uuid(1)}.db", *[b"x"] * 1005)
    made = call("folder", "import-turbo", "old", "in", "--json")
    figures = json.loads(made.stdout)
    assert (made.exit_code, figures["bad_rows"], len(figures["problems"])) == (6, 1005, 1001)
    assert figures["problems"][-1].endswith("5 more rows are no JSON values")


def damaged(path: Path) -> Path:
    """Cut the second half of a file off."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE IF NOT EXISTS logs (log_data json)")
        database.executemany("INSERT INTO logs VALUES (?)", [(f'"{n:0500}"',) for n in range(100)])
        database.commit()
    os.truncate(path, path.stat().st_size // 2)
    return path


def no_batch(path: Path, script: str) -> None:
    """Write a database of something else."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(script)


def test_files_that_are_none_are_told_and_the_others_imported(
    call: Call, old: Path, write: Write
) -> None:
    """Empty, of something else, damaged; what can be read of a damaged one is imported."""
    write(f"ready_{BEGAN}_{uuid(1)}.db", "good")
    (old / "ready_a.db").write_bytes(b"")
    (old / "ready_b.db").write_bytes(b"hello\n" * 100)
    no_batch(old / "ready_c.db", "CREATE TABLE other (log_data json)")
    endless = "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x FROM n) SELECT x FROM n"
    no_batch(old / "ready_d.db", f"CREATE VIEW logs(log_data) AS {endless}")
    damaged(old / "ready_e.db")
    (old / "notes.txt").write_text("x")
    (old / "ready_f.db").symlink_to("ready_a.db")
    os.mkfifo(old / "ready_g.db")
    made = call("folder", "import-turbo", "old", "in")
    assert made.exit_code == 6
    for sentence in (
        "ready_a.db: it is empty",
        "ready_b.db: it is no SQLite database",
        "ready_c.db: it has no table logs",
        "ready_d.db: it has no table logs",
        "ready_e.db: SQLite cannot read it",
        "left alone: 3 times what is no batch",
    ):
        assert sentence in made.stderr
    rows = rows_in()
    assert "good" in rows
    assert rows[-1] != "good" or "its first" not in made.stderr


INSERTING = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("PRAGMA cache_size = 1")
database.execute("PRAGMA cache_spill = 1")
database.execute("CREATE TABLE IF NOT EXISTS logs (log_data json)")
database.execute("INSERT INTO logs VALUES ('\\"committed\\"')")
database.commit()
for number in range(1000):
    database.execute("INSERT INTO logs VALUES (?)", (f'"{number:0900}"',))
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_while_it_wrote(old: Path) -> Path:
    """Return a batch beside which a journal lies that is to be rolled back."""
    path = old / f"load_{BEGAN}_{uuid(1)}.db"
    subprocess.run([sys.executable, "-c", INSERTING, str(path)], check=False)
    assert Path(f"{path}-journal").stat().st_size > 512
    return path


def test_what_was_not_committed_is_rolled_back_elsewhere(call: Call, old: Path) -> None:
    """In a copy: the old directory stays as it is."""
    path = killed_while_it_wrote(old)
    before = {one.name: one.read_bytes() for one in old.iterdir()}
    made = call("folder", "import-turbo", "old", "in")
    assert made.exit_code == 0, made.output
    assert rows_in() == ["committed"]
    assert {one.name: one.read_bytes() for one in old.iterdir()} == before
    path.rename(old / f"ready_{BEGAN}_{uuid(2)}_recovered.db")
    told = call("folder", "import-turbo", "old", "in")
    assert told.exit_code == 6
    assert "-journal: the batch that it belongs to is not here" in told.stderr


def test_a_journal_that_names_another_file_is_refused(call: Call, old: Path) -> None:
    """SQLite would read that file, and delete it when it finds no journals named there."""
    path = killed_while_it_wrote(old)
    victim = old / "victim"
    victim.write_text("dear")
    name = str(victim).encode()
    with Path(f"{path}-journal").open("ab") as journal:
        page = (0x40000000 // 4096 + 1).to_bytes(4, "big")
        sizes = len(name).to_bytes(4, "big") + sum(name).to_bytes(4, "big")
        journal.write(page + name + sizes + b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
    made = call("folder", "import-turbo", "old", "in")
    assert made.exit_code == 6
    assert "its journal names another file" in made.stderr
    assert victim.read_text() == "dear"


HOLDING = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute(sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("statement", ["SELECT 1 FROM logs", "BEGIN IMMEDIATE"])
def test_what_a_live_process_has_open_is_refused_or_left_out(
    call: Call, write: Write, statement: str
) -> None:
    """And imported when it has ended."""
    held = write(f"unload_{BEGAN}_{uuid(1)}.db", "held")
    write(f"ready_{BEGAN}_{uuid(2)}.db", "free")
    typed = [sys.executable, "-c", HOLDING, str(held), statement]
    with subprocess.Popen(typed, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        refused = call("folder", "import-turbo", "old", "in")
        assert refused.exit_code == 4
        assert f"process {process.pid} has {held.name} open" in refused.stderr
        assert not Path("in").exists()
        some = call("folder", "import-turbo", "old", "in", "--skip-open")
        assert some.exit_code == 3
        assert f"left out: {held.name}" in some.stderr
        process.communicate()
    assert rows_in() == ["free"]
    assert call("folder", "import-turbo", "old", "in").exit_code == 0
    assert rows_in() == ["held"]


def test_a_lock_is_enough_to_be_seen(
    call: Call, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a process of another user, whose open files are not to be seen."""
    monkeypatch.setattr("persistq.imports.turbofiles.openers", lambda _: iter(()))
    held = write(f"load_{BEGAN}_{uuid(1)}.db", "held")
    typed = [sys.executable, "-c", HOLDING, str(held), "BEGIN IMMEDIATE"]
    with subprocess.Popen(typed, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert "a process has load_" in call("folder", "import-turbo", "old", "in").stderr
        process.communicate()


def test_what_is_written_after_it_was_imported_is_told(call: Call, write: Write) -> None:
    """It is not imported in part, nor a second time."""
    path = write(f"ready_{BEGAN}_{uuid(1)}.db", "first")
    assert call("folder", "import-turbo", "old", "in").exit_code == 0
    write(path.name, "second", at=BEGAN + 60)
    made = call("folder", "import-turbo", "old", "in")
    assert made.exit_code == 6
    assert "it is not as it was when it was imported" in made.stderr
    assert rows_in() == ["first"]


def test_what_is_written_to_while_it_is_read_is_left_for_another_time(
    call: Call, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a whole; its writer was not to be seen."""
    write(f"load_{BEGAN}_{uuid(1)}.db", "row")
    with monkeypatch.context() as patched:
        patched.setattr("persistq.imports.turborows._look", lambda _: (1, 2, 3))
        made = call("folder", "import-turbo", "old", "in")
    assert made.exit_code == 6
    assert "somebody wrote to it while it was read" in made.stderr
    assert call("folder", "verify", "in").exit_code == 0
    assert rows_in() == []
    assert call("folder", "import-turbo", "old", "in").exit_code == 0
    assert rows_in() == ["row"]


def test_names_of_any_bytes_are_shown_escaped(call: Call, old: Path, write: Write) -> None:
    """In sentences, in JSON, and when they are told again."""
    for name in (b"ready_\xff\x1b[2J.db", b"load_\xfe.db-journal", b"note\xfd"):
        (old / os.fsdecode(name)).write_bytes(b"")
    write(os.fsdecode(b"ready_\xfc.db"), "row", b"bad")
    for _ in range(2):
        made = call("folder", "import-turbo", "old", "in", "--json")
        assert made.exit_code == 6, made.output
        assert len(json.loads(made.stdout)["problems"]) == 3
        assert "\x1b" not in call("folder", "import-turbo", "old", "in").output
    assert rows_in() == ["row"]


def test_a_journal_that_is_no_file_is_not_waited_for(call: Call, write: Write) -> None:
    """Nor is a link followed."""
    for number, make in enumerate((os.mkfifo, lambda path: Path(path).symlink_to("/dev/zero"))):
        path = write(f"load_{BEGAN}_{uuid(number)}.db", "row")
        make(f"{path}-journal")
    made = call("folder", "import-turbo", "old", "in")
    assert made.exit_code == 6
    assert made.stderr.count("it cannot be read") == 2


def test_a_dry_run_tells_the_same_and_changes_nothing(call: Call, left: Path) -> None:
    """Not even is the folder made."""
    seen = json.loads(call("folder", "import-turbo", str(left), "in", "--dry-run", "--json").stdout)
    assert not Path("in").exists()
    done = json.loads(call("folder", "import-turbo", str(left), "in", "--json").stdout)
    assert {**seen, "dry_run": False} == done
    assert (done["files"], done["imported"], done["rows"], done["empty"]) == (6, 5, 7, 1)


@pytest.fixture
def big(write: Write) -> Path:
    """Write a batch that becomes three files."""
    return write(f"ready_{BEGAN - 9}_{uuid(4)}.db", *range(100, 2300), at=BEGAN - 8)


POINTS = ("after_write", "before_record", "after_record", "within_publish", "within_publish@3")


@pytest.mark.parametrize("action", ["kill", "error:ENOSPC"])
@pytest.mark.parametrize("point", POINTS)
def test_who_dies_while_importing_loses_and_doubles_nothing(
    call: Call, big: Path, left: Path, point: str, action: str
) -> None:
    """Also if all that was there was worked on and forgotten before the next try."""
    armed = os.environ | {"PERSISTQ_FAILPOINT": f"importing.{point}:{action}"}
    assert big.parent == left
    typed = [*COMMAND, "folder", "import-turbo", str(left), "in"]
    died = subprocess.run(typed, env=armed, check=False, capture_output=True, text=True)
    assert died.returncode == (-signal.SIGKILL if action == "kill" else 4), died.stderr
    assert "Traceback" not in died.stderr
    told = call("folder", "verify", "in")
    is_undone = (point, action) == ("after_write", "error:ENOSPC")
    assert told.exit_code == (0 if is_undone else 5)
    assert ("is of an import that has not ended" in told.stdout) is not is_undone
    rows = rows_in()
    assert call("folder", "import-turbo", str(left), "in").exit_code == 0
    assert call("folder", "verify", "in").exit_code == 0
    rows += rows_in()
    assert rows == [*range(100, 2300), 1, 2, 3, 4, 5, "six", {"n": 7}]
    assert sorted(path.suffix for path in Path("in/.imported").iterdir()) == [".json"] * 6


def test_two_at_once_are_one(call: Call, left: Path) -> None:
    """The second is refused while the first is at it."""
    from persistq.folder.place import place_of
    from persistq.imports.imported import Imported

    with Imported(place_of("in")).held():
        refused = call("folder", "import-turbo", str(left), "in")
    assert refused.exit_code == 4
    assert "another process imports into it" in refused.stderr


def test_records_of_somebody_else_are_refused(call: Call, left: Path) -> None:
    """They would say what is imported, and have what lies there published."""
    Path("in/.imported").mkdir(parents=True)
    Path("in/.imported").chmod(0o777)
    refused = call("folder", "import-turbo", str(left), "in")
    assert refused.exit_code == 4
    assert ".imported is not yours alone" in refused.stderr
    Path("in/.imported").chmod(0o700)
    Path("in/.imported/x.json").write_text("{")
    refused = call("folder", "import-turbo", str(left), "in")
    assert refused.exit_code == 4
    assert "x.json cannot be read" in refused.stderr


@pytest.mark.parametrize(
    ("old_path", "new_path", "sentence"),
    [
        ("nowhere", "in", "nowhere cannot be read"),
        (".", "in", "there are some in old"),
        ("old/empty", "in", "there are no batches of turbo-queue in old/empty"),
        ("old", "old", "where nothing is written"),
        ("old", "old/in", "where nothing is written"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    call: Call, write: Write, old_path: str, new_path: str, sentence: str
) -> None:
    """And nothing is made."""
    write(f"ready_{BEGAN}_{uuid(1)}.db", 1)
    Path("old/empty").mkdir()
    before = sorted(Path().rglob("*"))
    refused = call("folder", "import-turbo", old_path, new_path)
    assert refused.exit_code == 2
    assert sentence in refused.stderr
    assert sorted(Path().rglob("*")) == before
