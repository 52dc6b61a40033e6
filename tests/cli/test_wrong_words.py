"""A wrong word on the command line is answered with the nearest right one."""

from __future__ import annotations

from pathlib import Path

import pytest

from .acting import Call, Shell


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["outstandng"], "No such command 'outstandng'. Did you mean 'outstanding'?"),
        (["lst"], "No such command 'lst'. Did you mean 'list'?"),
        (["colour"], "No such command 'colour'."),
        (["etl.py"], "No such command 'etl.py'. Did you mean 'persistq run etl.py'?"),
        (
            ["run", "--workrs", "3", "etl.py"],
            "No such option '--workrs'. Did you mean '--workers'?",
        ),
    ],
)
def test_the_nearest_word_is_named(call: Call, words: list[str], sentence: str) -> None:
    """Nothing is done, and the exit code is 2."""
    Path("etl.py").touch()
    ended = call(*words)
    assert ended.exit_code == 2
    assert ended.output.splitlines()[-1] == f"Error: {sentence}"


@pytest.mark.parametrize("words", ["list", "status", "run x.py", "run x:pipeline", "resume"])
def test_a_current_directory_that_was_deleted_is_told(
    tmp_path: Path, shell: Shell, words: str
) -> None:
    """In one sentence; there is nothing that could be read."""
    gone = tmp_path / "gone"
    gone.mkdir()
    code = (
        "import os, sys; os.rmdir(os.getcwd()); "
        "from persistq.cli import main; sys.argv[0] = 'persistq'; main()"
    )
    ended = shell("-P", "-c", code, *words.split(), python=True, cwd=gone)
    assert ended.returncode == 2, ended.stderr
    reason = "the current directory has been deleted: go to one that exists"
    assert ended.stderr == f"persistq: {reason}\n"
