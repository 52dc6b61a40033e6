"""``persistq outstanding``: what it shows, in which form, and with which exit code."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from .acting import COMMAND, TIMEOUT_S, Call, Ledger, Record, Shell
from .terminals import on_terminal


class Canary:
    """Its unpickling would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_plain_lines_have_name_and_item(call: Call, record: Record) -> None:
    """Elsewhere than on a terminal only data is on standard output, with tabs."""
    ledger = record()
    ledger.put("a\tb", 2, {"k": "é"})
    ledger.done(2)
    result = call("outstanding", "sales")
    assert result.stdout.splitlines() == [
        'store:1\t"a\\tb"',
        'store:3\t{"k":"é"}',
    ]
    assert result.exit_code == 0


def test_journal_in_use_is_named_beside_the_data(
    call: Call, record: Record, tmp_path: Path
) -> None:
    """Standard error says which file was read."""
    record().put(1)
    assert str(tmp_path / ".persistq" / "sales.db") in call("outstanding", "sales").stderr


def test_load_that_ran_last_is_taken_without_a_name(call: Call, record: Record) -> None:
    """The start of the last run decides, not the alphabet, and the choice is told."""
    for name, count in (("zebra", 1), ("middle", 3), ("alpha", 2)):
        record(name).put(*range(count))
    result = call("outstanding", "--count")
    assert result.stdout == "2\n"
    assert "alpha, load 1 (the one that ran last)" in result.stderr


def test_json_is_one_document(call: Call, record: Record) -> None:
    """What it is about comes first, then the items."""
    record().put(1, 2)
    found = json.loads(call("outstanding", "--json").stdout)
    assert (found["name"], found["load"], found["outstanding"]) == ("sales", 1, 2)
    assert [item["name"] for item in found["items"]] == ["store:1@1", "store:2@1"]


def test_secrets_in_items_are_masked_and_that_is_told(call: Call, record: Record) -> None:
    """In each form; a field that is merely called key is shown."""
    record().put({"key": 1, "password": "hush"}, {"key": 2})
    for form in ([], ["--json"], ["--jsonl"]):
        assert "hush" not in call("outstanding", *form).stdout
    first, second = map(json.loads, call("outstanding", "--jsonl").stdout.splitlines())
    assert (first["item"], first["masked"]) == ({"key": 1, "password": "***"}, True)
    assert (second["item"], second["masked"]) == ({"key": 2}, False)


def test_json_objects_hold_decoded_items(call: Call, record: Record) -> None:
    """Each line is one object with the item as it was put."""
    ledger = record()
    ledger.put({"day": 3}, None)
    first, second = map(json.loads, call("outstanding", "--jsonl").stdout.splitlines())
    run = first["key"].removesuffix(f"-{ledger.id(1)}")
    assert first == {
        "name": "store:1@1",
        "id": ledger.id(1),
        "key": f"{run}-{ledger.id(1)}",
        "stage": "store",
        "item": {"day": 3},
        "pickle": False,
        "masked": False,
        "damaged": False,
        "bytes": 9,
    }
    assert (second["item"], second["pickle"]) == (None, False)
    assert second["key"] == f"{run}-{ledger.id(2)}"
    assert re.fullmatch("[0-9a-f]{32}", run)


@pytest.mark.parametrize("form", [[], ["--jsonl"]])
def test_pickled_items_are_described_and_never_loaded(
    form: list[str], call: Call, record: Record, tmp_path: Path
) -> None:
    """Looking at a journal runs no code that somebody has put in it."""
    canary = tmp_path / "canary"
    record().put(Canary(canary))
    result = call("outstanding", *form)
    assert not canary.exists()
    assert "pickle" in result.stdout
    if form:
        entry = json.loads(result.stdout)
        assert (entry["item"], entry["pickle"]) == (None, True)
        assert entry["bytes"] > 0


def test_count_and_limit(call: Call, record: Record) -> None:
    """``--count`` is a bare number, and ``--limit`` bounds the items but not the count."""
    record().put(*range(7))
    assert call("outstanding", "--count").stdout == "7\n"
    assert len(call("outstanding", "--limit", "3").stdout.splitlines()) == 3
    assert call("outstanding", "--limit", "0").stdout == ""
    assert call("outstanding", "--count", "--limit", "3").stdout == "7\n"


def test_exit_code_tells_whether_anything_is_left(call: Call, record: Record) -> None:
    """3 with items, 0 without, and always 0 unless it is asked for."""
    ledger = record()
    ledger.put("x")
    assert call("outstanding", "--exit-code").exit_code == 3
    assert call("outstanding", "--exit-code", "--count").exit_code == 3
    assert call("outstanding").exit_code == 0
    ledger.done(1)
    assert call("outstanding", "--exit-code").exit_code == 0


def test_stage_selects_and_unknown_stages_are_named(call: Call, record: Record) -> None:
    """Only the stage's items are shown; a typing error lists the stages there are."""
    ledger = record()
    ledger.put(1)
    other = ledger.journal.add_queue(ledger.load_id, 1, "second")
    Ledger(ledger.journal, ledger.load_id, ledger.run_id, other).put(10, 11)
    assert call("outstanding", "--stage", "second", "--count").stdout == "2\n"
    lines = call("outstanding", "--stage", "store").stdout.splitlines()
    assert [line.split("\t") for line in lines] == [["store:1", "1"]]
    wrong = call("outstanding", "--stage", "third")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "its stages are: store, second" in wrong.stderr


def test_unknown_name_lists_the_names_there_are(call: Call, record: Record) -> None:
    """A missing journal is exit code 4, and the sentence helps with the next try."""
    record("sales")
    record("flights")
    result = call("outstanding", "sale")
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr.startswith("persistq: journal ")
    assert result.stderr.endswith("; did you mean sales? there are: flights, sales\n")


def test_missing_directory_is_said_to_be_missing(call: Call, tmp_path: Path) -> None:
    """In the wrong directory the answer says so, and creates nothing."""
    result = call("outstanding", "--journal", "nowhere")
    assert result.exit_code == 4
    assert "the directory does not exist" in result.stderr
    assert not (tmp_path / "nowhere").exists()


def test_file_given_as_directory_is_explained(call: Call, record: Record) -> None:
    """Who gives the journal file learns which words to give instead."""
    record("sales")
    result = call("outstanding", "--journal", ".persistq/sales.db")
    assert result.exit_code == 2
    assert "and sales as the name" in result.stderr


def test_journal_directory_comes_from_the_settings(
    call: Call, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is honoured, and the option wins over it."""
    record().put(1, 2)
    (tmp_path / ".persistq").rename(tmp_path / "elsewhere")
    monkeypatch.setenv("PERSISTQ_JOURNAL", "elsewhere")
    assert call("outstanding", "--count").stdout == "2\n"
    monkeypatch.setenv("PERSISTQ_JOURNAL", "nowhere")
    assert call("outstanding", "--count", "--journal", "elsewhere").stdout == "2\n"


def test_foreign_file_is_refused_by_exit_code_4(call: Call, tmp_path: Path) -> None:
    """A file that is no journal is named and left alone."""
    directory = tmp_path / ".persistq"
    directory.mkdir()
    (directory / "sales.db").write_text("not a database at all, only some text")
    result = call("outstanding", "sales")
    assert result.exit_code == 4
    assert "this is not a database" in result.stderr


def test_closed_pipe_is_a_clean_exit(record: Record) -> None:
    """A reader that has seen enough, such as ``head``, causes no error and no complaint."""
    record().put(*(f"{n:0200}" for n in range(2_000)))
    process = subprocess.Popen(
        [*COMMAND, "outstanding"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    complaint = process.stderr.read()
    assert process.wait(TIMEOUT_S) == 0
    assert complaint.count("\n") == 1
    process.stderr.close()


def test_full_disk_is_told_in_one_sentence(record: Record) -> None:
    """Output that cannot be written is an error, and no traceback."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    record().put(1)
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [*COMMAND, "outstanding"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "standard output" in result.stderr


def test_terminal_gets_a_table_that_fits(record: Record) -> None:
    """Headings come once, and long items are cut at the edge."""
    ledger = record()
    ledger.put(*("x" * 500 for _ in range(450)))
    note, heading, *rows = on_terminal("outstanding").splitlines()
    assert "sales.db" in note
    assert "what was put" in heading
    assert len(rows) == 450
    assert all(len(row) <= 80 and row.rstrip().endswith("…") for row in rows)


def test_terminal_is_never_steered_by_an_item(record: Record) -> None:
    """Control characters of items come out escaped."""
    record().put("\x9b2J\u202e")
    text = on_terminal("outstanding")
    assert "\x9b" not in text
    assert "\u202e" not in text
    assert "\\x9b2J\\u202e" in text


def test_counting_imports_only_what_it_needs(record: Record, shell: Shell) -> None:
    """Start-up stays cheap: no tables, no pipelines, no migrations."""
    record().put(1)
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "sys.argv = ['persistq', 'outstanding', '--count']\n"
        "from persistq.cli import main; main()"
    )
    result = shell("-c", code, python=True)
    assert result.stdout == "1\n"
    loaded = set(result.stderr.split())
    assert "persistq.journal.sqlite_reader" in loaded
    unwanted = {
        *("rich", "alembic", "multiprocessing", "persistq.pipeline", "persistq.queues"),
        *("persistq.client", "persistq.journal.sqlite", "persistq.cli.running"),
    }
    assert loaded & unwanted == set()


def test_importing_the_command_imports_nothing_else(shell: Shell) -> None:
    """Children that are spawned import the command's script again, and must not pay for it."""
    result = shell("-c", "import persistq.cli, sys; print(*sys.modules)", python=True)
    assert not {"click", "persistq.errors", "persistq.settings"} & set(result.stdout.split())
