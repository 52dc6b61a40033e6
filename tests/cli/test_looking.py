"""``persistq list`` and ``persistq status``: what is where, and what to type next."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistq import __version__
from persistq.cli.output import CLEAR_SCREEN
from persistq.cli.sections import allotted
from persistq.journal.run import Command
from persistq.site import register
from persistq.site.processes import this_process
from persistq.site.runlock import Holder, RunLock, lock_path

from .acting import COMMAND, TIMEOUT_S, Call, Ledger, Record
from .terminals import on_terminal


def plain(text: str) -> str:
    """Return what a terminal shows, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def hold(ledger: Ledger) -> RunLock:
    """Hold a journal as a live broker would."""
    lock = RunLock(lock_path(ledger.journal.path))
    assert lock.acquire()
    lock.publish(Holder(this_process(), "pipeline", "work.broker", "token", 0.0))
    return lock


def let_go(lock: RunLock) -> None:
    """Release a journal, which otherwise only the end of the process does."""
    os.close(lock._file)


# --- list -----------------------------------------------------------------------------------------


def test_list_shows_each_state(call: Call, record: Record) -> None:
    """Unfinished, settled, abandoned and running loads are told apart."""
    record("left").put(1, 2)
    record("over").settle()
    given_up = record("past")
    given_up.journal.abandon_load(given_up.load_id)
    lock = hold(record("working"))
    rows = [line.split("\t") for line in call("list").stdout.splitlines()]
    let_go(lock)
    assert [(row[0], row[2], row[3]) for row in rows] == [
        ("left", "unfinished", "2"),
        ("over", "settled", "0"),
        ("past", "abandoned", "0"),
        ("working", "running", "0"),
    ]


def test_list_shows_counts_and_what_to_type(call: Call, record: Record, tmp_path: Path) -> None:
    """A line says how far the load is, how large the journal is, and what to type next."""
    ledger = record()
    ledger.put(1, 2, 3)
    ledger.done(1)
    ledger.fail(2, "ValueError", "bad")
    result = call("list")
    name, load, state, outstanding, done, parked, size, _, following = result.stdout.split("\t")
    assert (name, load, state, outstanding, done, parked) == (
        *("sales", "1", "unfinished"),
        *("1", "1", "1"),
    )
    files = (tmp_path / ".persistq").glob("sales.db*")
    assert int(size) == sum(file.stat().st_size for file in files if not file.match("*-shm"))
    assert following == "persistq resume sales\n"
    assert f"1 journal in {tmp_path / '.persistq'}" in result.stderr


def test_list_json_has_an_object_for_each_journal(call: Call, record: Record) -> None:
    """The command comes as it was recorded, even where it is no text."""
    record("a").put(1)
    record("b", argv=["caf\udce9.py"])
    first, second = json.loads(call("list", "--json").stdout)["journals"]
    assert [*map(json.loads, call("list", "--jsonl").stdout.splitlines())] == [first, second]
    assert (first["name"], first["outstanding"], first["state"]) == ("a", 1, "unfinished")
    assert second["argv"] == ["caf\udce9.py"]


def test_list_of_a_name_shows_its_loads(call: Call, record: Record) -> None:
    """Each with its runs, its counts, and what to type for it."""
    first = record()
    first.put(1, 2)
    first.done(1)
    first.fail(2, "ValueError", "bad")
    first.settle()
    first.journal.close()
    record().put(1)
    rows = [line.split("\t") for line in call("list", "sales").stdout.splitlines()]
    assert [(row[0], row[1], *row[3:]) for row in rows] == [
        ("1", "settled", "1", "0", "1", "1", "persistq resume --failed --load 1 sales"),
        ("2", "unfinished", "1", "1", "0", "0", "persistq resume sales"),
    ]
    found = json.loads(call("list", "sales", "--json").stdout)
    assert [load["load"] for load in found["loads"]] == [1, 2]
    assert found["loads"][0]["runs"][0]["result"] == "done"


def test_list_everywhere_shows_journals_of_other_directories(
    call: Call, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as this user has begun loads there."""
    record("sales").put(1)
    register.remember(tmp_path / ".persistq")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (tmp_path / ".persistq").rename(tmp_path / "kept")
    register.remember(tmp_path / "kept")
    assert call("list").stdout == ""
    (line,) = call("list", "--everywhere").stdout.splitlines()
    assert line.endswith(f"persistq resume sales --journal {tmp_path / 'kept'}")


def test_list_passes_over_foreign_files_and_says_so(
    call: Call, record: Record, tmp_path: Path
) -> None:
    """One damaged file does not hide the others."""
    record("good")
    (tmp_path / ".persistq" / "bad.db").write_text("not a database at all, only some text")
    result = call("list")
    assert result.exit_code == 0
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["good"]
    assert "passed over: journal " in result.stderr
    assert "bad.db" in result.stderr


def test_list_of_nothing_is_empty_and_fine(call: Call) -> None:
    """No journals is an answer, not an error."""
    result = call("list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no journals in " in result.stderr


# --- status ---------------------------------------------------------------------------------------


def test_status_shows_stages_runs_and_failures(call: Call, record: Record) -> None:
    """One look says what was done, who worked on it, and what went wrong last."""
    ledger = record()
    ledger.put("a", "b", "c")
    ledger.done(1)
    ledger.fail(2, "ValueError", "no such\nday")
    text = call("status", "sales").stdout
    assert "1 outstanding, 1 done, 0 dropped, 1 parked as failed" in text
    assert ["store", "3", "1", "0", "1", "1", "no"] in [line.split() for line in text.splitlines()]
    assert "ValueError: no such\\nday" in text
    assert '"b"' in text
    assert "killed" in text


def test_status_shows_the_last_five_failures_newest_first(call: Call, record: Record) -> None:
    """What went wrong last is what one looks for."""
    ledger = record()
    ledger.put(*range(7))
    for number in range(1, 8):
        ledger.fail(number, "ValueError", f"number {number}", park=number % 2 == 0)
    failures = json.loads(call("status", "--json").stdout)["failures"]
    assert [entry["message"] for entry in failures] == [f"number {n}" for n in (7, 6, 5, 4, 3)]
    assert failures[0]["type"] == "ValueError"
    assert failures[0]["stage"] == "store"
    assert failures[0]["key"].endswith(f"-{failures[0]['id']}")


def test_status_forgets_the_failures_of_earlier_loads(call: Call, record: Record) -> None:
    """A load that begins anew does not show what its predecessor suffered."""
    earlier = record()
    earlier.put(1)
    earlier.fail(1, "ValueError", "long ago")
    earlier.journal.abandon_load(earlier.load_id)
    earlier.journal.close()
    record().put(1)
    assert json.loads(call("status", "--json").stdout)["failures"] == []


def test_status_json_has_stages_and_runs(call: Call, record: Record) -> None:
    """Programs get every number, with times that can be parsed."""
    ledger = record()
    ledger.put(1)
    ledger.done(1)
    ledger.settle()
    status = json.loads(call("status", "--json").stdout)
    assert status["state"] == "settled"
    assert status["stages"] == [
        {
            "stage": "store",
            "put": 1,
            "done": 1,
            "dropped": 0,
            "parked": 0,
            "outstanding": 0,
            "duplicates": 0,
            "skipped": 0,
            "sealed": True,
            "feeds": [],
            "passes": [],
            "puts": [],
            "waits": None,
        }
    ]
    (run,) = status["runs"]
    assert (run["result"], run["pid"], run["argv"]) == ("done", 4711, ["etl.py"])
    assert run["seconds"] >= 0
    assert (status["next"], status["pid"]) == (None, None)


def test_status_says_what_to_type_next(call: Call, record: Record) -> None:
    """The command for each situation, with the directory repeated if it was typed."""
    left, failed, over = record("left"), record("failed"), record("over")
    left.put(1)
    failed.put(1)
    failed.fail(1, "ValueError", "bad")
    failed.settle()
    over.settle()
    assert "next:       persistq resume left\n" in call("status", "left").stdout
    assert "next:       persistq resume --failed failed\n" in call("status", "failed").stdout
    assert "next:       nothing is left to do\n" in call("status", "over").stdout
    typed = call("status", "left", "--journal", ".persistq").stdout
    assert "next:       persistq resume left --journal .persistq\n" in typed


def test_status_names_the_process_that_runs(call: Call, record: Record) -> None:
    """A live load is shown with its program and its broker, and nothing to type."""
    ledger = record(pid=4242)
    lock = hold(ledger)
    text = call("status", "sales").stdout
    status = json.loads(call("status", "sales", "--json").stdout)
    let_go(lock)
    assert "running: process 4242 on " in text
    assert f"broker {os.getpid()}" in text
    assert (status["pid"], status["state"], status["next"]) == (4242, "running", None)
    assert status["runs"][-1]["result"] == "running"


def test_status_fits_one_screen(record: Record) -> None:
    """Of 80 columns and 24 lines, whatever has happened; what went wrong last is on it."""
    ledger = record()
    ledger.put(*("x" * 200 for _ in range(30)))
    for number in range(1, 21):
        ledger.fail(number, "ValueError", f"{number} " + "very long " * 20)
    for _ in range(12):
        ledger.journal.begin_run(
            ledger.load_id, Command("python", ("etl.py",), "/", this_process())
        )
    lines = plain(on_terminal("status", "sales")).splitlines()
    assert len(lines) <= 23
    assert all(len(line) <= 80 for line in lines)
    assert any("store:20" in line for line in lines)
    assert any(line.split()[:1] == ["13"] for line in lines)
    assert "sales.db" in "".join(line.strip() for line in lines)


def test_failures_are_red_unless_no_colour_is_wanted(record: Record) -> None:
    """https://no-color.org."""
    ledger = record()
    ledger.put(1)
    ledger.fail(1, "ValueError", "bad")
    assert "\x1b[31mValueError: bad" in on_terminal("failed", colour=True)
    text = on_terminal("failed")
    assert "ValueError: bad" in text
    assert "\x1b[31m" not in text


def test_watch_needs_a_terminal(call: Call, record: Record) -> None:
    """Elsewhere it would fill a file."""
    record()
    result = call("status", "--watch")
    assert result.exit_code == 2
    assert "--watch draws on a terminal" in result.stderr


def test_watch_draws_until_it_is_interrupted(record: Record) -> None:
    """Ctrl-C is how it ends, so that is no failure."""
    record().put(1)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "status", "--watch", "--interval", "0.1"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as child:
        os.close(theirs)
        seen = b""
        while seen.count(CLEAR_SCREEN.encode()) < 3:
            seen += os.read(ours, 65536)
        child.send_signal(signal.SIGINT)
        assert child.wait(TIMEOUT_S) == 0
    os.close(ours)


@given(st.integers(-5, 40), st.lists(st.integers(0, 12), max_size=4))
def test_sections_share_the_lines_there_are(room: int, wanted: list[int]) -> None:
    """Never more than there is room for."""
    given_rows = allotted(room, wanted)
    used = sum(rows + 2 for rows in given_rows if rows)
    assert used <= max(room, 0)
    assert all(rows <= want for rows, want in zip(given_rows, wanted, strict=True))


def test_status_of_an_unknown_name_is_exit_code_4(call: Call, record: Record) -> None:
    """The sentence lists the names there are."""
    record("sales")
    result = call("status", "nope")
    assert result.exit_code == 4
    assert "there are: sales" in result.stderr


# --- the group ------------------------------------------------------------------------------------


def test_version_is_told(call: Call) -> None:
    """One line with the installed version."""
    assert call("--version").stdout == f"persistq {__version__}\n"


def test_unknown_commands_and_options_are_usage_errors(call: Call) -> None:
    """Exit code 2, on standard error."""
    for words in (["frobnicate"], ["list", "--frobnicate"], ["run"]):
        result = call(*words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "Error: " in result.stderr


def test_help_names_the_variable_of_each_setting(call: Call) -> None:
    """Whoever reads the help learns where else a value can be given."""
    text = "".join(call("run", "--help").stdout.split())
    for name in ("JOURNAL", "WORKERS", "FRESH", "PARAMS", "PROGRESS"):
        assert f"PERSISTQ_{name}" in text


def test_names_complete_in_the_shell(call: Call, record: Record, tmp_path: Path) -> None:
    """The shell offers the names of the journals that begin as typed."""
    for name in ("sales", "salt", "flights"):
        record(name)
    from persistq.cli.program import program

    command = program.get_command(program.make_context("persistq", ["list"]), "status")
    assert command is not None
    context = command.make_context("status", [])
    (argument,) = [param for param in command.params if param.name == "name"]
    offered = argument.shell_complete(context, "sal")
    assert [item.value for item in offered] == ["sales", "salt"]
