"""Journals that are not in the current directory: who finds them, and who must not begin others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .acting import Call, Notes, Record, Shell, WriteScript

KILLED = {"DEADLY": "3"}


@pytest.fixture
def project(tmp_path: Path, shell: Shell, write_script: WriteScript) -> Path:
    """A directory whose program was killed: its load ``sales`` is unfinished there."""
    project = tmp_path / "project"
    script = write_script(path="project/jobs/etl.py")
    assert shell(str(script), python=True, cwd=project, **KILLED).returncode < 0
    assert (project / ".persistq" / "sales.db").exists()
    return project


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A directory from which nothing leads to the project."""
    other = tmp_path / "other"
    other.mkdir()
    return other


# --- programs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["python", "persistq run"])
@pytest.mark.parametrize("place", ["project/jobs", "project/data/today", "other"])
def test_a_start_elsewhere_does_not_leave_unfinished_work_behind(
    place: str, by: str, project: Path, other: Path, shell: Shell, tmp_path: Path
) -> None:
    """The load is above the current directory, or above the script; both journals are named."""
    cwd = tmp_path / place
    cwd.mkdir(parents=True, exist_ok=True)
    script = str(project / "jobs" / "etl.py")
    words = [script] if by == "python" else ["run", script]
    refused = shell(*words, python=by == "python", cwd=cwd)
    assert refused.returncode == 2, refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    for said in (
        f"load 1 of 'sales' is unfinished in {project}/.persistq/sales.db",
        f"begin another one in {cwd}/.persistq/sales.db",
        f"persistq resume sales --journal {project}/.persistq",
    ):
        assert said in refused.stderr
    assert not (cwd / ".persistq").exists()


def test_a_journal_beside_the_script_counts(
    shell: Shell, write_script: WriteScript, other: Path, tmp_path: Path
) -> None:
    """As cron starts it: by its path, from wherever."""
    script = write_script()
    assert shell("etl.py", python=True, **KILLED).returncode < 0
    refused = shell(str(script), python=True, cwd=other)
    assert refused.returncode == 2
    assert str(tmp_path / ".persistq" / "sales.db") in refused.stderr


@pytest.mark.parametrize(
    "decided", [{"PERSISTQ_FRESH": "1"}, {"PERSISTQ_JOURNAL": "here"}, {"PERSISTQ_JOURNAL": ""}]
)
def test_the_user_decides(
    decided: dict[str, str], project: Path, other: Path, shell: Shell
) -> None:
    """`fresh` begins anew, and so does a journal that was chosen; an empty variable is none."""
    script = str(project / "jobs" / "etl.py")
    expected = 0 if any(decided.values()) else 2
    assert shell(script, python=True, cwd=other, **decided).returncode == expected
    there = shell("outstanding", "sales", "--count", cwd=project)
    assert there.stdout != "0\n", "the load in the project is as it was"


def test_what_is_settled_or_another_name_stops_nothing(
    project: Path, other: Path, shell: Shell, write_script: WriteScript
) -> None:
    """Nor does anything elsewhere stop a load that is carried on here."""
    script = str(project / "jobs" / "etl.py")
    changed = (project / "jobs" / "etl.py").read_text().replace('"sales"', '"costs"')
    (project / "jobs" / "other.py").write_text(changed)
    assert shell(str(project / "jobs" / "other.py"), python=True, cwd=other).returncode == 0
    assert shell(script, python=True, cwd=other, PERSISTQ_FRESH="1", **KILLED).returncode < 0
    carried_on = shell(script, python=True, cwd=other)
    assert carried_on.returncode == 0, carried_on.stderr
    assert "carrying on load 1" in carried_on.stderr
    assert shell(script, python=True, cwd=other).returncode == 2
    assert shell(script, python=True, cwd=project).returncode == 0
    assert shell(script, python=True, cwd=other).returncode == 0


# --- commands -------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["project/data/today", "other"])
@pytest.mark.parametrize("command", ["outstanding", "status", "verify"])
def test_commands_find_a_name_above_and_in_the_register(
    place: str, command: str, project: Path, other: Path, shell: Shell, tmp_path: Path
) -> None:
    """They say which journal they read."""
    cwd = tmp_path / place
    cwd.mkdir(parents=True, exist_ok=True)
    found = shell(command, "sales", cwd=cwd)
    assert found.returncode == 0, found.stderr
    assert f"{project}/.persistq/sales.db" in found.stdout + found.stderr
    assert not (cwd / ".persistq").exists()


@pytest.mark.parametrize("place", ["project/data/today", "other"])
def test_resume_finds_a_name_above_and_in_the_register(
    place: str, project: Path, other: Path, shell: Shell, notes: Notes, tmp_path: Path
) -> None:
    """The program is repeated where it was started first."""
    cwd = tmp_path / place
    cwd.mkdir(parents=True, exist_ok=True)
    done = shell("resume", "sales", cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert f"journal {project}/.persistq/sales.db" in done.stderr
    stored = {line.split()[0] for line in notes("stored", project / "jobs")}
    assert stored == set(map(str, range(5)))


def test_without_a_name_the_journals_above_are_meant(project: Path, shell: Shell) -> None:
    """As everything in a project belongs to it."""
    below = project / "data"
    below.mkdir()
    assert shell("list", cwd=below).stdout.split("\t")[0] == "sales"
    assert shell("resume", cwd=below).returncode == 0


@pytest.mark.parametrize(
    ("command", "code"),
    [("resume", 4), ("outstanding", 4), ("status", 4), ("verify", 4), ("list", 0)],
)
def test_without_a_name_nothing_elsewhere_is_touched(
    command: str, code: int, project: Path, other: Path, shell: Shell
) -> None:
    """It is said where there are journals, and what to type."""
    done = shell(command, cwd=other)
    assert (done.returncode, done.stdout) == (code, "")
    assert f"there are journals in {project}/.persistq (sales): give a name" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_to_resume_here_but_elsewhere(project: Path, other: Path, shell: Shell) -> None:
    """A journal with nothing unfinished is an answer, and so is where else to look."""
    script = str(project / "jobs" / "etl.py")
    assert shell(script, python=True, cwd=other, PERSISTQ_FRESH="1").returncode == 0
    done = shell("resume", cwd=other)
    assert done.returncode == 0
    assert f"nothing to resume in {other}/.persistq; elsewhere there are" in done.stderr
    assert f"{project}/.persistq (sales)" in done.stderr


def test_a_name_in_several_places_has_to_be_chosen(
    project: Path, other: Path, shell: Shell, tmp_path: Path
) -> None:
    """Nobody guesses which one was meant."""
    script = str(project / "jobs" / "etl.py")
    assert shell(script, python=True, cwd=other, PERSISTQ_FRESH="1").returncode == 0
    for command in ("resume", "status"):
        done = shell(command, "sales", cwd=tmp_path)
        assert done.returncode == 4
        assert f"{other}/.persistq, {project}/.persistq; say which, with --journal" in done.stderr
    assert shell("status", "sales", cwd=other).returncode == 0


@pytest.mark.parametrize("command", ["resume", "outstanding", "status", "verify", "list"])
def test_a_journal_that_was_asked_for_and_is_missing_is_an_error(
    command: str, project: Path, other: Path, call: Call
) -> None:
    """What was typed is taken as it is: nothing is looked for elsewhere."""
    missing = call(command, "--journal", str(other / "nowhere"))
    assert missing.exit_code == 4
    if command != "list":
        assert call(command, "absent").exit_code == 4
        assert call(command, "sales", "--journal", str(other)).exit_code == 4


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")
def test_a_strangers_directory_above_is_not_looked_into(
    record: Record, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor what is above it."""
    record()
    below = tmp_path / "stranger" / "below"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert call("status", "sales").exit_code == 0
    os.chown(tmp_path / "stranger", 65534, 65534)
    assert call("status", "sales").exit_code == 4
    os.chown(tmp_path / "stranger", 0, 0)
    os.chown(tmp_path / ".persistq", 65534, 65534)
    assert call("status", "sales").exit_code == 4


def test_a_register_that_cannot_be_kept_stops_nothing(
    shell: Shell, write_script: WriteScript
) -> None:
    """It is a convenience."""
    write_script()
    for state in ({"XDG_STATE_HOME": "/dev/null"}, {"XDG_STATE_HOME": "", "HOME": "/dev/null"}):
        assert shell("etl.py", python=True, **state).returncode == 0
        assert shell("list", **state).returncode == 0
