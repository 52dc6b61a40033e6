"""Loads beside the one that a command shows by itself."""

from __future__ import annotations

import json

from persistq.journal.run import Command
from persistq.site.processes import peer_here

from .acting import Call, Notes, Record, Shell, WriteScript
from .test_resuming import numbers


def two_loads(record: Record) -> None:
    """Record a load that has parked one item, and a later one without failures."""
    first = record()
    first.put("old", "bad")
    first.done(1)
    first.fail(2, "ValueError", "bad")
    first.settle()
    first.journal.close()
    second = record()
    second.put("new")
    second.done(1)
    second.settle()


def test_status_lists_other_loads_and_shows_one(call: Call, record: Record) -> None:
    """With its number, what it has left, and the command for it."""
    two_loads(record)
    text = call("status", "sales").stdout
    assert text.splitlines()[1].split()[:2] == ["load:", "2,"]
    assert text.splitlines()[-1].split() == ["1", "settled", "1", "0"]
    shown = json.loads(call("status", "sales", "--load", "1", "--json").stdout)
    assert (shown["load"], shown["parked"]) == (1, 1)
    assert shown["next"] == "persistq resume --failed --load 1 sales"
    assert [failure["message"] for failure in shown["failures"]] == ["bad"]
    others = json.loads(call("status", "sales", "--json").stdout)["others"]
    assert others == [{"load": 1, "state": "settled", "parked": 1, "outstanding": 0}]


def test_outstanding_of_another_load(call: Call, record: Record) -> None:
    """What is not shown is told beside the data."""
    first = record()
    first.put("old")
    first.journal.abandon_load(first.load_id)
    first.journal.close()
    record().put("new", "newer")
    result = call("outstanding", "sales", "--count")
    assert result.stdout == "2\n"
    assert "other loads have left 1 outstanding (load 1): --load N shows one" in result.stderr
    assert call("outstanding", "sales", "--load", "1").stdout.endswith('"old"\n')


def test_an_unfinished_load_is_shown_before_one_that_ran_last(call: Call, record: Record) -> None:
    """The retry of an old load does not hide that the present one is unfinished."""
    first = record()
    first.put("old")
    first.fail(1, "ValueError", "bad")
    first.settle()
    first.journal.close()
    second = record()
    second.put("new")
    first.unpark(1, second.journal)
    second.journal.begin_run(1, Command("python", ("etl.py",), "/", peer_here(4711)))
    assert call("status", "sales").stdout.splitlines()[1].split()[:2] == ["load:", "2,"]
    assert json.loads(call("status", "--load", "1", "--json").stdout)["state"] == "reopened"


def test_a_load_that_is_not_there_is_refused(call: Call, record: Record) -> None:
    """With those that are."""
    two_loads(record)
    for command in ("status", "outstanding", "resume"):
        result = call(command, "sales", "--load", "9")
        assert result.exit_code == 2
        assert "'sales' has no load 9; its latest ones are: 1, 2" in result.stderr


def test_resume_names_older_loads_when_nothing_else_is_left(call: Call, record: Record) -> None:
    """With or without a name, with or without --failed, they are not forgotten."""
    two_loads(record)
    for words in ([], ["sales"], ["--failed"], ["sales", "--failed"]):
        result = call("resume", *words)
        assert result.exit_code == 0
        assert "nothing to resume" in result.stderr
        assert "1 parked (load 1): persistq resume --failed --load 1 sales" in result.stderr


def test_failed_items_of_an_older_load_are_retried_by_its_number(
    shell: Shell, write_script: WriteScript, notes: Notes
) -> None:
    """Last night's item is worked on in its own load; tonight's load is not touched."""
    write_script()
    shell("etl.py", python=True, BROKEN="3")
    assert shell("etl.py", python=True).returncode == 0
    assert len(notes("stored")) == 9
    result = shell("resume", "--failed", "--load", "1", "sales")
    assert result.returncode == 0, result.stderr
    assert "carrying on load 1" in result.stderr
    assert numbers(notes("stored"))[9:] == ["3"]
    assert shell("resume", "--load", "1", "sales").returncode == 0
    assert len(notes("stored")) == 10


def test_resume_carries_on_with_the_parameters_of_the_load(
    shell: Shell, write_script: WriteScript, notes: Notes
) -> None:
    """The program says another day by now; it is the load's day that is finished."""
    main = "pipeline.run(params={'text': os.environ['DAY']})"
    write_script(main=main)
    assert shell("etl.py", python=True, DEADLY="2", DAY="mon").returncode == -9
    refused = shell("etl.py", python=True, DAY="tue")
    assert refused.returncode == 2
    assert 'text="mon", and this start says text="tue"' in refused.stderr
    result = shell("resume", "sales", DAY="tue")
    assert result.returncode == 0, result.stderr
    assert {line.split()[1] for line in notes("source")} == {"'mon'"}


def test_a_load_whose_name_holds_a_parameter_is_resumed_by_its_name(
    shell: Shell, write_script: WriteScript, notes: Notes
) -> None:
    """However the program would call it today."""
    script = write_script(main="pipeline.run(params={'text': os.environ['DAY']})")
    script.write_text(script.read_text().replace('Pipeline("sales"', 'Pipeline("sales-{text}"'))
    assert shell("etl.py", python=True, DEADLY="2", DAY="2024-01-01").returncode == -9
    assert shell("etl.py", python=True, DAY="2024-01-02").returncode == 0
    result = shell("resume", "sales-2024-01-01", DAY="2024-01-03")
    assert result.returncode == 0, result.stderr
    assert "sales-2024-01-01: carrying on load 1" in result.stderr
    assert shell("list").stdout.count("settled") == 2


def test_secrets_are_masked_wherever_a_load_is_shown(
    shell: Shell, write_script: WriteScript
) -> None:
    """In the parameters and in the command that gave them."""
    script = write_script()
    script.write_text(script.read_text().replace("text: str", 'token: str = "-", text: str'))
    assert shell("run", "etl.py", "--param", "token=hush", DEADLY="2").returncode == -9
    for words in (["status"], ["status", "--json"], ["list"], ["list", "--json"], ["outstanding"]):
        result = shell(*words)
        assert result.returncode == 0
        assert "hush" not in result.stdout + result.stderr
    plan = shell("resume", "--dry-run")
    assert "token=***" in plan.stdout
    resumed = shell("resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "hush" not in plan.stdout + plan.stderr + resumed.stdout + resumed.stderr
