"""``persistq edit``: in an editor, from a file; what cannot be an item is refused and not lost."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from persistq import failpoints

from .acting import Call, Record, Shell
from .terminals import answering
from .test_amending import states
from .test_failed import night, refused

NEW = "store:6"

EditsWith = Callable[[str], None]


@pytest.fixture
def edits_with(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> EditsWith:
    """Return what makes a shell script the editor; the file is its ``$1``."""

    def be(lines: str) -> None:
        editor = own_place / "my editor"
        editor.write_text(f"#!/bin/sh\n{lines}\n")
        editor.chmod(0o700)
        monkeypatch.setenv("VISUAL", f"'{editor}'")
        monkeypatch.setenv("EDITOR", "false")

    return be


def kept(text: str) -> Path:
    """Return the file that is named as keeping what was typed."""
    found = re.search(r"what you typed is kept: persistq edit ITEM --file (\S+)", text)
    assert found is not None, text
    return Path(found[1])


def test_what_is_saved_in_the_editor_is_put(
    shell: Shell, record: Record, own_place: Path, edits_with: EditsWith
) -> None:
    """$VISUAL comes before $EDITOR, may have spaces, and gets a file that is nobody else's."""
    night(record).journal.close()
    edits_with(
        'ls -l "$1" > mode; cp "$1" before; sed s/three/3rd/ before > "$1"; echo "$1" > path'
    )
    result = shell("edit", "store:3")
    assert f"{NEW} is put for store:3, which is dropped" in result.stderr
    assert Path("before").read_text() == '"three"\n'
    assert Path("mode").read_text().startswith("-rw-------")
    assert not Path(Path("path").read_text().strip()).exists()
    assert json.loads(shell("show", NEW, "--json").stdout)["item"] == "3rd"


@pytest.mark.parametrize("lines", ["true", 'cp "$1" before; sed "s/^/ /" before > "$1"'])
def test_nothing_is_done_if_nothing_is_changed(
    call: Call, shell: Shell, record: Record, edits_with: EditsWith, lines: str
) -> None:
    """Spaces between values are no change."""
    night(record).journal.close()
    edits_with(lines)
    result = shell("edit", "store:2")
    assert (result.returncode, result.stderr.splitlines()[-1]) == (
        0,
        "persistq: nothing is changed",
    )
    assert states(call)["store:2"] == "parked"
    assert NEW not in states(call)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("{", "nothing was changed, this is no JSON: Input data was truncated"),
        ("NaN", "nothing was changed, this is no JSON: JSON is malformed"),
        ("123456789012345678901234567890", "an item of type int cannot be stored: JSON cannot"),
    ],
)
def test_what_is_no_item_is_kept(
    call: Call, shell: Shell, record: Record, edits_with: EditsWith, typed: str, sentence: str
) -> None:
    """It can be mended, and given as a file."""
    night(record).journal.close()
    edits_with(f'echo "{typed}" > "$1"')
    result = shell("edit", "store:3")
    assert result.returncode == 2
    assert sentence in result.stderr
    assert states(call)["store:3"] == "parked"
    path = kept(result.stderr)
    assert path.read_text() == f"{typed}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text('"mended"')
    assert shell("edit", "store:3", "--file", str(path)).returncode == 0
    path.unlink()
    assert states(call)[NEW] == "outstanding"


def test_a_terminal_is_asked_whether_to_open_it_again(
    call: Call, record: Record, edits_with: EditsWith
) -> None:
    """With what was typed in it."""
    night(record).journal.close()
    edits_with('grep -q mend "$1" && echo 8 > "$1" || echo "{mend" > "$1"')
    answering("open it again?", "y\n", "edit", "store:3")
    assert states(call)["store:3"] == "dropped"
    assert json.loads(call("show", NEW, "--json").stdout)["item"] == 8


def test_an_editor_that_fails_changes_nothing(
    call: Call, shell: Shell, record: Record, edits_with: EditsWith
) -> None:
    """Nor does one that is not there."""
    night(record).journal.close()
    edits_with('echo 7 > "$1"; exit 3')
    result = shell("edit", "store:3")
    assert result.returncode == 2
    assert "persistq: nothing was changed: " in result.stderr
    kept(result.stderr).unlink()
    gone = shell("edit", "store:3", VISUAL="/no/such/editor")
    assert (gone.returncode, "Traceback" in gone.stderr) == (2, False)
    assert states(call)["store:3"] == "parked"


def test_what_could_not_be_recorded_is_kept(
    shell: Shell, record: Record, edits_with: EditsWith
) -> None:
    """Whatever the reason."""
    night(record).journal.close()
    edits_with('echo 7 > "$1"')
    result = shell("edit", "store:3", **{failpoints.VARIABLE: "broker.before_commit@1:error"})
    assert result.returncode != 0
    kept(result.stderr).unlink()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["store:2"], "there is no terminal for an editor: give --set or --file"),
        (["store:2", "--file", "x"], "nothing was changed, this is no JSON: "),
        (["store:2", "--set", "n=3", "--file", "x"], "--set changes fields, --file replaces all"),
        (["store:2", "--set", f"n={10**30}"], "nothing was changed: an item of type dict cannot"),
        (["store:2", "--file", "nowhere"], "No such file or directory"),
    ],
)
def test_mistakes_have_a_sentence(
    call: Call, record: Record, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    """And change nothing."""
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    Path("x").write_text("[1")
    night(record)
    assert sentence in refused(call, "edit", *words)
    assert states(call)["store:2"] == "parked"


def test_json_says_what_was_put_with_secrets_masked(call: Call, record: Record) -> None:
    """A dry run as well, which puts nothing."""
    night(record).journal.close()
    words = ["edit", "store:2", "--set", "n=3", "--json"]
    tried = json.loads(call(*words, "--dry-run").stdout)
    assert (tried["put"], tried["replaced"], tried["item"]["n"]) == (None, "store:2@1", 3)
    done = json.loads(call(*words).stdout)
    assert (done["put"], done["count"], done["masked"]) == (f"{NEW}@1", 1, True)
    assert "hush" not in json.dumps([tried, done])
