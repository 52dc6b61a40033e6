"""Arguments, scripts, directories and settings that are bytes and no UTF-8: old file names are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from persistq.journal.sqlite_reader import SqliteReader

from .acting import COMMAND, TIMEOUT_S

LATIN = b"l\xe9d"
ASCII_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LOCALES = [
    {},
    ASCII_LOCALE,
    {"LC_ALL": "POSIX"},
    {"PYTHONUTF8": "1", "PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "utf-16"},
]

SCRIPT = """\
import os, sys
from pathlib import Path
from persistq import Pipeline

pipeline = Pipeline("odd", workers=1)


@pipeline.source
def rows(path: str = "-"):
    yield os.fsencode(path).hex()
    yield os.fsdecode(b"\\xff\\xfe")
    if "BROKEN" in os.environ:
        raise OSError("gone")


@pipeline.stage
def store(item):
    with open("notes", "a") as file:
        file.write(f"{os.fsencode(item).hex()} {os.fsencode(' '.join(sys.argv)).hex()}\\n")


if __name__ == "__main__":
    pipeline.run()
"""


@pytest.fixture
def home(own_place: Path) -> bytes:
    """A directory, with a script, whose names are no UTF-8."""
    directory = own_place / os.fsdecode(LATIN)
    try:
        directory.mkdir()
        (directory / os.fsdecode(LATIN + b".py")).write_text(SCRIPT)
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    return os.fsencode(directory)


def call(*words: bytes | str, cwd: bytes, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command there."""
    return subprocess.run(
        list(map(os.fsencode, words)),
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize("locale", LOCALES, ids=str)
def test_what_the_system_takes_is_run_and_resumed(home: bytes, locale: dict[str, str]) -> None:
    """The script gets the same bytes again, in every locale and with every encoding of streams."""
    began = call(sys.executable, LATIN + b".py", b"\xff", cwd=home, BROKEN="1", **locale)
    assert began.returncode == 3, began.stderr
    resumed = call(*COMMAND, "resume", "odd", cwd=home, **locale)
    assert resumed.returncode == 0, resumed.stderr
    arguments = (LATIN + b".py \xff").hex()
    lines = Path(os.fsdecode(home), "notes").read_text().splitlines()
    assert {line.split()[1] for line in lines} == {arguments}
    assert b"\xff\xfe".hex() in {line.split()[0] for line in lines}


def test_a_load_that_another_locale_carries_on(home: bytes) -> None:
    """A name in UTF-8 is other text there, and the same bytes."""
    script = Path(os.fsdecode(home), os.fsdecode(LATIN + b".py"))
    script.rename(script.with_name(os.fsdecode("léd.py".encode())))
    began = call(sys.executable, "léd.py".encode(), cwd=home, BROKEN="1", **ASCII_LOCALE)
    assert began.returncode == 3, began.stderr
    resumed = call(*COMMAND, "resume", "odd", cwd=home, LC_ALL="C.UTF-8")
    assert resumed.returncode == 0, resumed.stderr


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("target", [LATIN + b".py", LATIN + b".py:pipeline"])
def test_a_command_runs_a_script_of_such_a_name(home: bytes, target: bytes, method: str) -> None:
    """With a parameter, a journal and a start method of one's own."""
    words = [*COMMAND, "run", target, b"--journal=j\xe9", b"--param=path=\xfe"]
    ended = call(*words, cwd=home, PERSISTQ_START_METHOD=method)
    assert ended.returncode == 0, ended.stderr
    journal = Path(os.fsdecode(home + b"/j\xe9"), "odd.db")
    with SqliteReader(journal) as reader:
        assert reader.view().outstanding == 0
    noted = Path(os.fsdecode(home), "notes").read_text()
    assert b"\xfe".hex().encode().hex() in noted


def test_what_is_shown_of_such_names(home: bytes) -> None:
    """A terminal gets printable text, a shell what bash reads, and JSON is UTF-8 all the same."""
    call(sys.executable, LATIN + b".py", b"\xff", cwd=home, BROKEN="1")
    status = call(*COMMAND, "status", "odd", cwd=home)
    assert b"python $'l\\351d.py' $'\\377'" in status.stdout.replace(b"python3", b"python")
    assert b"/l\\xe9d/.persistq/odd.db" in status.stdout
    found = json.loads(call(*COMMAND, "status", "odd", "--json", cwd=home).stdout.decode())
    run = found["runs"][0]
    assert os.fsencode(run["cwd"]) == os.path.realpath(home)
    assert list(map(os.fsencode, run["argv"])) == [LATIN + b".py", b"\xff"]
    for verb in ("list", "verify", "outstanding"):
        ended = call(*COMMAND, verb, cwd=home)
        assert (ended.returncode, b"Traceback" in ended.stderr) == (0, False)


def test_a_refusal_that_names_such_a_journal(home: bytes) -> None:
    """Errors cross from the broker too."""
    Path(os.fsdecode(home), ".persistq").mkdir()
    Path(os.fsdecode(home), ".persistq", "odd.db").write_text("no journal " * 1000)
    ended = call(sys.executable, LATIN + b".py", cwd=home)
    assert ended.returncode == 4, ended.stderr
    assert b"Traceback" not in ended.stderr
    assert b"l\\xe9d" in ended.stderr
