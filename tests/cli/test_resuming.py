"""``persistq resume``: which load it carries on, and how it repeats the command."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from persistq.site.processes import peer_here
from persistq.site.runlock import Holder, RunLock, lock_path

from .acting import Call, Notes, Record, Shell, WriteScript


def numbers(lines: list[str]) -> list[str]:
    """Return what was stored, without where."""
    return [line.split()[0] for line in lines]


# --- repeating ------------------------------------------------------------------------------------


def test_killed_script_is_repeated_with_arguments_and_directory(
    shell: Shell, write_script: WriteScript, notes: Notes, tmp_path: Path
) -> None:
    """After kill -9 the rest is outstanding, and resume from elsewhere does it and nothing else."""
    write_script()
    assert shell("etl.py", "--day", "a b", python=True, DEADLY="2").returncode == -9
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    journal = ["--journal", str(tmp_path / ".persistq")]
    count = shell("outstanding", "--count", *journal, cwd=elsewhere)
    assert int(count.stdout) >= 1
    result = shell("resume", *journal, cwd=elsewhere)
    assert result.returncode == 0, result.stderr
    assert numbers(notes("stored")) == ["0", "1", "2", "3", "4"]
    assert notes("stored")[-1] == f"4 {tmp_path}"
    assert all(line == "5 '-' --day a b" for line in notes("source"))
    assert shell("outstanding", "--exit-code", *journal).returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ["-m", "etl"],
        ["-X", "dev", "-um", "etl"],
        ["-c", "import etl; etl.pipeline.run()"],
        ["-B", "etl.py", "-c", "x"],
        ["-m", "persistq.cli", "run", "etl.py"],
        ["-m", "persistq", "run", "etl.py"],
        ["-m", "persistq.cli", "run", "etl:pipeline", "--param", "count=4"],
    ],
)
def test_every_way_of_starting_can_be_repeated(
    words: list[str], shell: Shell, write_script: WriteScript, notes: Notes
) -> None:
    """Modules, code, interpreter options and the command itself are typed again as they were."""
    write_script()
    assert shell(*words, python=True, DEADLY="2").returncode == -9
    result = shell("resume", "sales")
    assert result.returncode == 0, result.stderr
    assert "carrying on load 1" in result.stderr
    expected = ["0", "1", "2", "3"] if "count=4" in words else ["0", "1", "2", "3", "4"]
    assert numbers(notes("stored")) == expected


def test_recorded_fresh_does_not_begin_anew(
    shell: Shell, write_script: WriteScript, notes: Notes
) -> None:
    """A command that once said ``--fresh`` is repeated to carry on, not to start over."""
    write_script()
    assert shell("run", "etl.py", "--fresh", DEADLY="3").returncode == -9
    result = shell("resume")
    assert result.returncode == 0, result.stderr
    assert numbers(notes("stored")) == ["0", "1", "2", "3", "4"]


def test_journal_directory_that_was_moved_is_followed(
    shell: Shell, write_script: WriteScript, notes: Notes
) -> None:
    """A recorded ``--journal`` does not lead back to the place where the journals were."""
    write_script()
    assert shell("run", "etl.py", "--journal", "old", DEADLY="3").returncode == -9
    # The broker may be about to fold the log, which belongs to the file that is moved.
    assert shell("resume", "--journal", "old", "--dry-run").returncode == 0
    wait_for_broker(Path("old/sales.db"))
    Path("old").rename("new")
    result = shell("resume", "--journal", "new")
    assert result.returncode == 0, result.stderr
    assert not Path("old").exists()
    assert numbers(notes("stored")) == ["0", "1", "2", "3", "4"]


def wait_for_broker(journal: Path) -> None:
    """Block until the broker of a journal has gone: its lock is the kernel's."""
    import fcntl

    with lock_path(str(journal)).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)


def test_exit_code_is_that_of_the_program(shell: Shell, write_script: WriteScript) -> None:
    """The program takes the command's place, so its failures are told by its own exit code."""
    write_script()
    assert shell("etl.py", python=True, DEADLY="1").returncode == -9
    assert shell("resume", BROKEN="3").returncode == 6


def test_who_wants_it_quiet_or_reads_objects_gets_no_sentences(
    shell: Shell, write_script: WriteScript
) -> None:
    """Neither of the command nor of the program that it repeats."""
    write_script()
    assert shell("etl.py", python=True, DEADLY="1").returncode == -9
    killed = shell("resume", "--progress", "json", DEADLY="3")
    assert killed.returncode == -9
    assert {json.loads(line)["name"] for line in killed.stderr.splitlines()} == {"sales"}
    quiet = shell("resume", "--quiet")
    assert (quiet.returncode, quiet.stderr) == (0, "")


def test_interpreter_that_is_gone_is_replaced_with_a_warning(
    shell: Shell, write_script: WriteScript, record: Record, notes: Notes
) -> None:
    """A removed virtual environment does not end a load; the running interpreter steps in."""
    write_script()
    load = record(executable="/gone/bin/python", pid=2**22 + 1)
    load.journal.add_source(load.row.queue_id, "numbers")
    load.journal.close()
    result = shell("resume")
    assert "the interpreter /gone/bin/python is gone; using " in result.stderr
    assert sys.executable in result.stderr
    assert len(notes("stored")) == 5


# --- choosing -------------------------------------------------------------------------------------


def test_unfinished_load_that_ran_last_is_taken(call: Call, record: Record) -> None:
    """Settled loads do not count, however late they ran."""
    for name in ("zebra", "alpha"):
        record(name, argv=["-c", "pass"])
    record("late").settle()
    assert "name:         alpha\n" in call("resume", "--dry-run").stdout
    assert "name:         zebra\n" in call("resume", "--dry-run", "zebra").stdout


def test_failed_includes_settled_loads_with_parked_items(call: Call, record: Record) -> None:
    """With ``--failed`` whichever ran last is taken, unfinished or settled with failures."""
    record("left", argv=["-c", "pass"])
    late = record("late", argv=["-c", "pass"])
    late.put(1)
    late.fail(1, "ValueError", "bad")
    late.settle()
    assert "name:         left\n" in call("resume", "--dry-run").stdout
    text = call("resume", "--dry-run", "--failed").stdout
    assert "name:         late\n" in text
    assert "parked:       1, back to work\n" in text


def test_failed_items_are_put_back_to_work(
    shell: Shell, write_script: WriteScript, notes: Notes
) -> None:
    """A settled load is opened again for its parked items, and nothing else is redone."""
    write_script()
    assert shell("etl.py", python=True, BROKEN="3").returncode == 6
    assert numbers(notes("stored")) == ["0", "1", "2", "4"]
    assert shell("resume").returncode == 0
    assert numbers(notes("stored")) == ["0", "1", "2", "4"]
    result = shell("resume", "--failed")
    assert result.returncode == 0, result.stderr
    assert numbers(notes("stored")) == ["0", "1", "2", "4", "3"]


@pytest.mark.parametrize("words", [[], ["--failed"], ["sales"], ["sales", "--failed"]])
def test_nothing_to_resume_is_said_and_fine(words: list[str], call: Call, record: Record) -> None:
    """A load that is settled without failures needs nothing, whatever is asked."""
    record("sales").settle()
    result = call("resume", *words)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing to resume" in result.stderr


def test_parked_items_are_mentioned_when_nothing_else_is_left(call: Call, record: Record) -> None:
    """Who resumes a load that only has failures learns the option for them."""
    ledger = record("sales")
    ledger.put(1)
    ledger.fail(1, "ValueError", "bad")
    ledger.settle()
    for words in ([], ["sales"]):
        result = call("resume", *words)
        assert result.exit_code == 0
        assert "1 parked as failed" in result.stderr
        assert "--failed" in result.stderr


def test_nothing_to_resume_without_a_directory(call: Call) -> None:
    """Most likely it was typed in the wrong place, and that is not success."""
    result = call("resume")
    assert result.exit_code == 4
    assert "the directory does not exist" in result.stderr


def test_unknown_name_lists_the_names_there_are(call: Call, record: Record) -> None:
    """A typing error is exit code 4, with the names to choose from."""
    record("sales")
    result = call("resume", "sale")
    assert result.exit_code == 4
    assert "there are: sales" in result.stderr


# --- the plan -------------------------------------------------------------------------------------


def test_dry_run_shows_the_plan_and_does_nothing(
    shell: Shell, write_script: WriteScript, notes: Notes, tmp_path: Path
) -> None:
    """Load, journal, what is left by stage, directory and exact command; and no item is touched."""
    write_script()
    assert shell("etl.py", "--day", "a b", python=True, DEADLY="2").returncode == -9
    before = notes("stored"), shell("outstanding", "--count").stdout
    result = shell("resume", "--dry-run")
    assert result.returncode == 0
    assert f"journal:      {tmp_path / '.persistq' / 'sales.db'}\n" in result.stdout
    assert f"outstanding:  {before[1].strip()} (store {before[1].strip()})\n" in result.stdout
    assert f"directory:    {tmp_path}\n" in result.stdout
    assert f"command:      {sys.executable} etl.py --day 'a b'\n" in result.stdout
    assert (notes("stored"), shell("outstanding", "--count").stdout) == before


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "typed at a prompt"),
        (["-i"], "typed at a prompt"),
        (["-u", "-"], "typed at a prompt"),
        (["-X", "dev"], "typed at a prompt"),
        (["gone.py", "-c"], "gone.py is gone"),
        (["-Wd", "-X", "dev", "gone.py"], "gone.py is gone"),
        (["--check-hash-based-pycs", "never", "gone.py"], "gone.py is gone"),
        (["-m", "ipykernel_launcher", "-f", "x.json"], "notebook"),
        (["-c", "from multiprocessing.spawn ...", "--multiprocessing-fork"], "child process"),
    ],
)
def test_command_that_cannot_be_repeated_is_explained(
    argv: list[str], words: str, call: Call, record: Record
) -> None:
    """One sentence with the reason, and what to do instead."""
    record("sales", argv=argv).put(1)
    for options in ([], ["--dry-run"]):
        result = call("resume", *options)
        assert result.exit_code == 2
        (sentence,) = result.stderr.splitlines()
        assert "'sales' cannot be repeated" in sentence
        assert words in sentence
        assert "start the program again yourself" in sentence


def test_directory_that_is_gone_is_explained(call: Call, record: Record, tmp_path: Path) -> None:
    """Nothing is repeated in another directory than its own."""
    record("sales", cwd=tmp_path / "gone", argv=["-c", "pass"])
    result = call("resume")
    assert result.exit_code == 2
    assert f"its directory {tmp_path / 'gone'} is gone" in result.stderr


# --- live runs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pid", "code"), [(os.getpid(), 4), (2**22 + 1, 0)], ids=["alive", "dead"])
def test_held_journal_is_busy_only_while_its_program_lives(
    pid: int, code: int, call: Call, record: Record
) -> None:
    """A live run is named by pid and host; a broker that outlives its program is waited for."""
    ledger = record("sales", argv=["-c", "pass"], pid=pid)
    lock = RunLock(lock_path(ledger.journal.path))
    assert lock.acquire()
    lock.publish(Holder(peer_here(1234), "pipeline", "work.broker", "token", 0.0))
    result = call("resume", "sales", "--dry-run")
    os.close(lock._file)
    assert result.exit_code == code
    busy = f"process 1234 on {socket.gethostname()} is working on it"
    assert (busy in result.stderr) == (code == 4)
