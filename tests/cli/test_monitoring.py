"""``check``, ``export``, ``workers``, ``backup``, ``db`` and ``doctor``."""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from persistq.cli.examinations import resets_its_log
from persistq.cli.export import JOBLOG_COLUMNS
from persistq.journal import marks
from persistq.journal.batch import Batch
from persistq.journal.run import WorkerRecord
from persistq.site.processes import peer_here, this_process
from persistq.testing import check_journal

from .acting import COMMAND, TIMEOUT_S, Call, Ledger, Notes, Record, Shell, WriteScript
from .test_failed import night
from .test_looking import hold, let_go


def age(ledger: Ledger, span: timedelta) -> None:
    """Let a load have begun and ended so much earlier."""
    with closing(sqlite3.connect(ledger.journal.path)) as connection:
        for column in ("created_at", "ended_at"):
            connection.execute(
                f"UPDATE load SET {column} = strftime('%Y-%m-%dT%H:%M:%f', {column}, ?)"
                " || '000+00:00'",
                (f"-{int(span.total_seconds())} seconds",),
            )
        connection.commit()


# --- check ----------------------------------------------------------------------------------------


def test_a_settled_and_young_load_is_fine(call: Call, record: Record) -> None:
    """One line, and 0."""
    ledger = record()
    ledger.put(1)
    ledger.done(1)
    ledger.settle()
    result = call("check", "sales", "--max-age", "26h")
    assert result.exit_code == 0
    assert result.stdout.startswith("OK sales: load 1 was settled 0s ago, 1 items done; journal ")
    assert result.output.count("\n") == 1


def test_a_load_that_is_overdue_is_3(call: Call, record: Record) -> None:
    """A script that does not run tells nobody; also if items of the last one have failed."""
    night(record, "old")
    ledger = record()
    ledger.settle()
    age(ledger, timedelta(hours=27))
    assert call("check", "sales").exit_code == 0
    assert call("check", "sales", "--max-age", "1d4h").exit_code == 0
    result = call("check", "sales", "--max-age", "26h")
    assert result.exit_code == 3
    assert "load 1 was settled 27h ago, 0 items done; that is too long ago" in result.stdout


def test_an_unfinished_load_is_3(call: Call, record: Record) -> None:
    """Killed or at work; the line says what to type."""
    ledger = record()
    ledger.put(1)
    result = call("check", "sales")
    assert result.exit_code == 3
    assert "FAILED sales: load 1 is unfinished" in result.stdout
    assert "; persistq resume sales; journal " in result.stdout


def test_a_load_that_is_worked_on_may_be_fine(call: Call, record: Record) -> None:
    """If that was said, and until it is too old."""
    ledger = record()
    ledger.put(1)
    lock = hold(ledger)
    codes = [
        call("check", "sales", *words).exit_code
        for words in ([], ["--running-ok"], ["--running-ok", "--max-age", "2h"])
    ]
    age(ledger, timedelta(hours=3))
    codes.append(call("check", "sales", "--running-ok", "--max-age", "2h").exit_code)
    let_go(lock)
    assert codes == [3, 0, 0, 3]


def test_parked_items_are_6_and_no_journal_is_4(call: Call, record: Record) -> None:
    """As everywhere; also for a monitor there is one line."""
    night(record)
    failed = call("check", "sales", "--max-age", "26h")
    assert failed.exit_code == 6
    assert "3 parked as failed; persistq resume --failed sales" in failed.stdout
    missing = call("check", "nope")
    assert missing.exit_code == 4
    assert missing.stdout.startswith("FAILED nope: ")
    assert "there are: sales" in missing.stdout
    found = json.loads(call("check", "nope", "--json").stdout)
    assert (found["ok"], found["exit_code"], found["journal"]) == (False, 4, None)


@pytest.mark.parametrize("typed", ["", "26", "x", "1h2d", "-1h", "9" * 5000 + "d"])
def test_what_is_no_duration_is_refused(call: Call, record: Record, typed: str) -> None:
    """With those that are."""
    record()
    result = call("check", "sales", "--max-age", typed)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is no duration" in result.stderr or "is longer than any load" in result.stderr


# --- export ---------------------------------------------------------------------------------------


def test_export_csv_has_each_item_once(call: Call, record: Record) -> None:
    """With where it is and its last error, in a form that spreadsheets read."""
    night(record)
    rows = [*csv.DictReader(io.StringIO(call("export", "sales", "--csv").stdout))]
    assert [row["name"] for row in rows] == [f"store:{n}@1" for n in range(1, 6)]
    assert [row["state"] for row in rows] == ["done", "parked", "parked", "parked", "done"]
    assert rows[1]["message"] == "row 17 of 'a' is bad"
    assert json.loads(rows[1]["item"])["password"] == "***"
    assert rows[0]["attempts"] == "0"


def test_export_jsonl_and_joblog_agree_with_it(call: Call, record: Record) -> None:
    """The same items, in the same order."""
    night(record)
    objects = [json.loads(line) for line in call("export", "--jsonl").stdout.splitlines()]
    assert [it["state"] for it in objects] == ["done", "parked", "parked", "parked", "done"]
    titles, *rows = [line.split("\t") for line in call("export", "--joblog").stdout.splitlines()]
    assert titles == [*JOBLOG_COLUMNS]
    assert [(row[0], row[6]) for row in rows] == [
        ("1", "0"),
        ("2", "1"),
        ("3", "1"),
        ("4", "1"),
        ("5", "0"),
    ]
    assert rows[2][8] == 'store:3 "three"'


def test_export_reads_page_by_page(call: Call, record: Record) -> None:
    """No item is left out or written twice where pages meet."""
    record().put(*range(2_500))
    lines = call("export", "--jsonl").stdout.splitlines()
    assert [json.loads(line)["item"] for line in lines] == [*range(2_500)]


def test_export_wants_to_know_the_form(call: Call, record: Record) -> None:
    """There are three."""
    record()
    result = call("export", "sales")
    assert result.exit_code == 2
    assert "Say in which form: --jsonl, --csv or --joblog." in result.stderr


# --- workers --------------------------------------------------------------------------------------


def test_workers_at_work_and_those_that_ended(call: Call, record: Record) -> None:
    """By stage and process, and how they ended."""
    ledger = record()
    queue = ledger.row.queue_id
    gone = peer_here(99_999_999)
    workers = [WorkerRecord(1, queue, this_process()), WorkerRecord(2, queue, gone)]
    ledger.journal.commit(Batch(workers=[*workers, WorkerRecord(3, queue, gone)]))
    ledger.journal.commit(Batch(departures={3: "left"}))
    lock = hold(ledger)
    shown = call("workers", "sales")
    everyone = call("workers", "--all", "--jsonl").stdout.splitlines()
    let_go(lock)
    (line,) = shown.stdout.splitlines()
    assert line.split("\t")[:3] == ["1", "store", str(os.getpid())]
    assert "2 have ended: --all shows them too" in shown.stderr
    assert [json.loads(each)["state"] for each in everyone] == [
        "working",
        "gone, nobody saw how",
        "left",
    ]


def test_what_is_in_hand_is_shown(
    shell: Shell, call: Call, write_script: WriteScript, notes: Notes
) -> None:
    """By workers, and by why; read where the worker has noted it."""
    waiting = """\
        import os
        from pathlib import Path
        from persistq import Pipeline

        pipeline = Pipeline("sales", workers=1)
        HERE = Path(__file__).parent

        @pipeline.source
        def numbers():
            yield from range(3)

        @pipeline.stage
        def store(number):
            if number == 1:
                os.mkfifo(HERE / "reached")
                (HERE / "reached").open("w").close()
                (HERE / "reached").open("r").close()
    """
    script = write_script(waiting)
    process = subprocess.Popen(
        [sys.executable, script], stderr=subprocess.DEVNULL, start_new_session=True
    )
    pipe = script.parent / "reached"
    while not pipe.exists():  # a FIFO is there before anybody can wait at it
        assert process.poll() is None
        time.sleep(0.01)
    pipe.open("r").close()
    (line,) = call("workers", "sales").stdout.splitlines()
    sentence = json.loads(call("why", "store:2", "--json").stdout)["history"][-1]["text"]
    waits = json.loads(call("why", "store:3", "--json").stdout)["history"][-1]["text"]
    pipe.open("w").close()
    assert process.wait(TIMEOUT_S) == 0
    pid = line.split("\t")[2]
    assert line.endswith("\tworking\tstore:2")
    assert sentence == f"It is outstanding: process {pid} works on it at this moment."
    assert waits == "It is outstanding: a run is at work, and it waits or is in a worker's hands."


# --- backup ---------------------------------------------------------------------------------------


def test_a_backup_of_a_live_journal_is_sound(call: Call, record: Record, tmp_path: Path) -> None:
    """It has all that is committed, also what is in the log only."""
    ledger = record()
    ledger.put(*range(100))
    result = call("backup", "sales", "copies.db")
    assert result.exit_code == 0, result.output
    assert check_journal(tmp_path / "copies.db") == []
    place = tmp_path / "other"
    place.mkdir(mode=0o700)
    shutil.move(tmp_path / "copies.db", place / "sales.db")
    assert call("outstanding", "--count", "--journal", str(place)).stdout == "100\n"


def test_a_backup_that_is_killed_leaves_nothing_half_done(
    shell: Shell, record: Record, tmp_path: Path
) -> None:
    """What was at its place is still there."""
    record().put(1)
    (tmp_path / "copy.db").write_text("before")
    armed = {"PERSISTQ_FAILPOINT": "journal.before_rename:kill"}
    killed = shell("backup", "sales", "copy.db", "--force", **armed)
    assert killed.returncode == -9, killed.stderr
    assert (tmp_path / "copy.db").read_text() == "before"
    assert shell("backup", "sales", "copy.db", "--force").returncode == 0
    assert check_journal(tmp_path / "copy.db") == []
    assert [path.name for path in tmp_path.glob(".copy.db*")] == []


def test_a_backup_does_no_harm(call: Call, record: Record, tmp_path: Path) -> None:
    """Nothing is replaced unless that was said, and never the journal itself."""
    record().put(1)
    (tmp_path / "there.db").write_text("precious")
    (tmp_path / "lost.db-wal").write_text("")
    journal = ".persistq/sales.db"
    for words, sentence in {
        ("there.db",): "there.db is there already: choose another file, or say --force",
        (".",): "is a directory: give the copy a name, as in sales.db",
        ("no/such/place.db",): f"there is no directory {tmp_path / 'no/such'}: make it first",
        (journal, "--force"): f"{journal} is the journal itself: choose another file",
        ("lost.db",): "and SQLite would mix it with the copy: choose another file",
    }.items():
        result = call("backup", "sales", *words)
        assert result.exit_code == 2
        assert sentence in result.stderr
    assert (tmp_path / "there.db").read_text() == "precious"


# --- db -------------------------------------------------------------------------------------------


def test_db_shows_versions_and_upgrades_nothing_that_is_current(
    call: Call, record: Record, tmp_path: Path
) -> None:
    """A file that is no journal is told, and makes the exit code 4."""
    record("a")
    record("b")
    version = str(marks.SCHEMA_VERSION)
    rows = [line.split("\t") for line in call("db", "current").stdout.splitlines()]
    assert rows == [["a", version, "current"], ["b", version, "current"]]
    before = (tmp_path / ".persistq" / "a.db").read_bytes()
    assert "a is current" in call("db", "upgrade", "a").stderr
    assert (tmp_path / ".persistq" / "a.db").read_bytes() == before
    (tmp_path / ".persistq" / "c.db").write_text("not a database at all, only some text")
    result = call("db", "current", "--jsonl")
    assert result.exit_code == 4
    assert json.loads(result.stdout.splitlines()[-1])["schema"] is None
    assert call("db", "upgrade", "nope").exit_code == 4


def test_db_upgrades_an_older_journal_unless_it_is_at_work(
    call: Call, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the place of a broker for that."""
    ledger = record()
    ledger.put(1)
    ledger.journal.close()
    upgraded = []
    monkeypatch.setattr(marks, "SCHEMA_VERSION", marks.SCHEMA_VERSION + 1)
    monkeypatch.setattr(
        "persistq.journal.migrate.upgrade", lambda path, old: upgraded.append((path, old))
    )
    assert call("db", "current").stdout.split("\t")[2] == "older\n"
    lock = hold(ledger)
    busy = call("db", "upgrade", "sales")
    let_go(lock)
    assert (busy.exit_code, upgraded) == (4, [])
    assert f"process {os.getpid()} on " in busy.stderr
    assert call("db", "upgrade", "sales").exit_code == 0
    assert upgraded == [(Path(ledger.journal.path), marks.SCHEMA_VERSION - 1)]


# --- doctor ---------------------------------------------------------------------------------------


def findings(call: Call, level: str) -> dict[str, str]:
    """Return what the doctor says at a level, by what it is about."""
    rows = [line.split("\t") for line in call("doctor").stdout.splitlines()]
    return {row[1]: row[2] for row in rows if row[0] == level}


def test_where_nothing_is_wrong_the_doctor_says_so(call: Call, record: Record) -> None:
    """Each thing that was looked at has its line."""
    record().put(1)
    result = call("doctor")
    assert result.exit_code == 0, result.output
    assert findings(call, "bad") == {}
    assert {"disk", "rights", "journals", "clock", "settings"} <= set(findings(call, "ok"))
    assert json.loads(call("doctor", "--json").stdout)["findings"]


def test_the_doctor_finds_what_keeps_persistq_from_working(
    call: Call, record: Record, tmp_path: Path
) -> None:
    """Exit code 4, and what to do."""
    record("good")
    directory = tmp_path / ".persistq"
    (directory / "bad.db").write_text("not a database at all, only some text")
    (directory / "gone.db-wal").write_text("pages")
    result = call("doctor")
    assert result.exit_code == 4
    bad = findings(call, "bad")
    assert "bad.db" in bad["journal"]
    assert "gone.db-wal is the log of a journal that is gone" in bad["orphan"]
    directory.chmod(0o777)
    assert "other users can write" in findings(call, "bad")["rights"]
    directory.chmod(0o700)


def test_the_doctor_finds_what_dead_runs_left(call: Call, record: Record, tmp_path: Path) -> None:
    """Locks without a journal, sockets without a broker, drafts."""
    record("sales")
    directory = tmp_path / ".persistq"
    (directory / "gone.lock").touch()
    (directory / "sales.broker").mkdir()
    (directory / ".new.db.x1y2.new").touch()
    lines = [line.split("\t")[2] for line in call("doctor").stdout.splitlines()]
    for text in (
        "gone.lock belongs to no journal: it can be deleted",
        "sales.broker was left by a broker that was killed; the next start removes it",
        ".new.db.x1y2.new was left half-made; the next start of its name removes it",
    ):
        assert text in lines
    assert call("doctor").exit_code == 0


def test_the_doctor_looks_at_clock_limits_and_settings(
    call: Call, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each can make loads fail in ways that nobody expects."""
    ledger = record()
    with closing(sqlite3.connect(ledger.journal.path)) as connection:
        connection.execute("UPDATE run SET started_at = '2222-01-01T00:00:00.000000+00:00'")
        connection.commit()
    monkeypatch.setenv("PERSISTQ_WORKERS", "many")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    warned = findings(call, "warn")
    assert "runs of sales began in the future: the clock was set back" in warned["clock"]
    assert "limits" in warned
    assert "PERSISTQ_WORKERS" in findings(call, "bad")["settings"]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 1), False),
    ],
)
def test_which_versions_of_sqlite_can_damage_a_shared_log(
    version: tuple[int, int, int], expected: bool
) -> None:
    """Two older series were mended too."""
    assert resets_its_log(version) is expected


# --- the shell ------------------------------------------------------------------------------------


def completed(words: str, incomplete: str) -> list[str]:
    """Return what bash is offered."""
    environment = {
        "_PERSISTQ_COMPLETE": "bash_complete",
        "COMP_WORDS": f"persistq {words} {incomplete}",
        "COMP_CWORD": str(len(words.split()) + 1),
    }
    result = subprocess.run(
        COMMAND,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    assert result.stderr == ""
    return [line.partition(",")[2] for line in result.stdout.splitlines() if line]


def test_the_shell_completes_verbs_names_loads_stages_and_items(record: Record) -> None:
    """As far as the journals say."""
    night(record)
    record("salt")
    assert completed("", "out") == ["outstanding"]
    assert completed("failed", "sa") == ["sales", "salt"]
    assert completed("failed sales --load", "1") == ["1"]
    assert completed("failed sales --stage", "st") == ["store"]
    assert completed("show --name sales", "st") == ["store:"]
    assert completed("show --name sales", "store:3") == ["store:3"]
    assert completed("failed nope --stage", "st") == []


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_one(call: Call, kind: str) -> None:
    """Where the shell is there, it reads it without complaint."""
    script = call("completion", kind).stdout
    assert f"_PERSISTQ_COMPLETE={kind}_complete" in script
    if shutil.which(kind) is None:
        return
    checked = subprocess.run(
        [kind, "-n"], input=script, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_python_m_persistq_is_the_command(shell: Shell, record: Record) -> None:
    """Where its script is not installed."""
    record().put(1)
    result = shell("-m", "persistq", "outstanding", "--count", python=True)
    assert (result.returncode, result.stdout) == (0, "1\n")
