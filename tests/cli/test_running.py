"""``persistq run``: what can be run, which words win, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from persistq.cli import running
from persistq.errors import UsageError
from persistq.settings import command_line, load_settings

from .acting import Call, Notes, Shell, WriteScript

QUEUE_SCRIPT = """\
import sys
from persistq import PersistentQueue

queue = PersistentQueue("plain")
queue.put_many(range(3))
"""


# --- targets --------------------------------------------------------------------------------------


def test_module_and_name_run_from_the_current_directory(
    shell: Shell, write_script: WriteScript, notes: Notes
) -> None:
    """A module is found where one stands, and its pipeline is run."""
    write_script(path="jobs/daily.py", main="raise SystemExit('must not run as a script')")
    result = shell("run", "jobs.daily:pipeline")
    assert result.returncode == 0, result.stderr
    assert len(notes("stored", Path("jobs"))) == 5


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_script_and_name_run_under_every_start_method(
    method: str, shell: Shell, write_script: WriteScript, notes: Notes, tmp_path: Path
) -> None:
    """A script elsewhere is imported by its file's name, by children too."""
    write_script(path="jobs/daily.py", main="raise SystemExit('must not run as a script')")
    result = shell("run", "jobs/daily.py:pipeline", PERSISTQ_START_METHOD=method)
    assert result.returncode == 0, result.stderr
    assert len(notes("stored", tmp_path / "jobs")) == 5


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_script_runs_as_python_would_run_it(
    method: str, shell: Shell, write_script: WriteScript, notes: Notes
) -> None:
    """It is ``__main__``, with the arguments after ``--``, under every start method."""
    write_script()
    result = shell("run", "etl.py", "--", "--day", "a b", PERSISTQ_START_METHOD=method)
    assert result.returncode == 0, result.stderr
    assert notes("source") == ["5 '-' --day a b"]
    assert len(notes("stored")) == 5


def test_script_sees_what_it_sees_under_python(
    shell: Shell, write_script: WriteScript, tmp_path: Path
) -> None:
    """Arguments, import path, file name and module are those of ``python script.py``."""
    probe = """
    import sys, __main__
    import neighbour
    print(sys.argv, sys.path[0], __file__, __name__, __spec__, vars(__main__) is globals())
    """
    write_script(probe, path="place/probe.py", main="pass")
    (tmp_path / "place" / "neighbour.py").write_text("")
    expected = shell("place/probe.py", "-x", python=True)
    result = shell("run", "place/probe.py", "--", "-x")
    assert result.stdout == expected.stdout
    assert result.returncode == expected.returncode == 0


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_only_pipeline_of_a_script_that_runs_nothing_is_run(
    method: str, shell: Shell, write_script: WriteScript, notes: Notes
) -> None:
    """A script that only defines a pipeline needs no last lines."""
    write_script(main="pass")
    result = shell("run", "etl.py", PERSISTQ_START_METHOD=method)
    assert result.returncode == 0, result.stderr
    assert len(notes("stored")) == 5


def test_pipeline_that_a_script_has_run_is_not_run_again(
    shell: Shell, write_script: WriteScript, notes: Notes
) -> None:
    """What the script did itself was all that was wanted."""
    write_script()
    shell("run", "etl.py")
    assert len(notes("source")) == 1


def test_script_with_several_pipelines_must_run_one_or_be_asked_for_one(
    shell: Shell, write_script: WriteScript
) -> None:
    """Which one is meant is never guessed."""
    text = """
    from persistq import Pipeline
    first, second = Pipeline("first"), Pipeline("second")
    """
    write_script(text, main="pass")
    result = shell("run", "etl.py")
    assert result.returncode == 2
    assert "none of its pipelines first, second" in result.stderr
    assert "etl.py:first" in result.stderr


def test_script_of_plain_queues_names_their_journal(
    shell: Shell, write_script: WriteScript, tmp_path: Path
) -> None:
    """A queue says nothing by itself, so the command says which file was used."""
    write_script(QUEUE_SCRIPT, main="pass")
    result = shell("run", "etl.py")
    assert result.returncode == 0, result.stderr
    assert f"persistq: journal {tmp_path / '.persistq' / 'plain.db'}\n" in result.stderr


def test_script_that_opens_nothing_is_told_so(shell: Shell, write_script: WriteScript) -> None:
    """A script that is no load at all still runs, with a remark."""
    write_script("print('hello')", main="pass")
    result = shell("run", "etl.py")
    assert (result.returncode, result.stdout) == (0, "hello\n")
    assert "has ended without opening a queue" in result.stderr


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nowhere.py", "there is no script nowhere.py in "),
        ("nowhere.py:pipeline", "there is no script nowhere.py in "),
        ("etl", "is nothing to run: give module:name"),
        ("etl:nothing", "'nothing' is not there; the pipelines there are: pipeline"),
        ("etl:HERE", "'HERE' is a PosixPath; the pipelines there are: pipeline"),
        ("no_such_package.etl:pipeline", "sys.path begins with the current directory"),
        ("jobs/json.py:pipeline", "has the name of a module of Python"),
        ("et.l.py:pipeline", "cannot be imported: rename it"),
    ],
)
def test_wrong_target_is_refused_in_one_sentence(
    target: str, words: str, shell: Shell, write_script: WriteScript
) -> None:
    """Exit code 2, what is wrong, and what to type instead; never a traceback."""
    for path in ("etl.py", "jobs/json.py", "et.l.py"):
        write_script(path=path)
    result = shell("run", target)
    assert result.returncode == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_arguments_are_refused_where_nobody_would_read_them(call: Call) -> None:
    """A pipeline that is imported has parameters, not arguments."""
    result = call("run", "module:name", "--", "x")
    assert result.exit_code == 2
    assert "--param" in result.stderr


# --- which words win ------------------------------------------------------------------------------


def test_options_win_over_the_code(shell: Shell, write_script: WriteScript, notes: Notes) -> None:
    """Workers, parameters and journal of the command line beat what the program says."""
    main = "pipeline.run(workers=2, params={'count': 3, 'text': 'code'}, journal='ignored')"
    write_script(main=main + "; print(load_settings(workers=2).workers)")
    text = Path("etl.py").read_text()
    Path("etl.py").write_text(text.replace("import os\n", IMPORT_SETTINGS, 1))
    options = ["--workers", "0", "--param", "count=2", "--journal", "typed"]
    result = shell("run", "etl.py", *options)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "0\n"
    assert notes("source") == ["2 'code'"]
    assert Path("typed/sales.db").exists()
    assert not Path("ignored").exists()


IMPORT_SETTINGS = "import os\nfrom persistq.settings import load_settings\n"


@pytest.mark.parametrize(
    ("typed", "received"),
    [
        ("2013", 2013),
        ("2013-01-01", "2013-01-01"),
        ("007", "007"),
        ("NaN", "NaN"),
        ("[1, 2]", [1, 2]),
        ('"7"', "7"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_parameters_are_json_where_they_can_be(typed: str, received: object) -> None:
    """Numbers arrive as numbers, text that is no JSON as text, quoted JSON as what it says."""
    context = running.command.make_context("run", ["etl.py", "--param", f"day={typed}"])
    assert context.params["params"] == {"day": received}


def test_options_that_are_not_given_leave_the_code_alone() -> None:
    """Only what was typed wins; absence is not a value."""
    params = running.command.make_context("run", ["etl.py"]).params
    options = ("workers", "fresh", "params", "progress", "quiet", "journal")
    assert {params[option] for option in options} == {None}


def test_parameter_without_a_value_is_a_usage_error(call: Call, write_script: WriteScript) -> None:
    """The sentence shows the form."""
    write_script()
    result = call("run", "etl.py", "--param", "count")
    assert result.exit_code == 2
    assert "key=value" in result.stderr


def test_unknown_parameter_is_a_usage_error(shell: Shell, write_script: WriteScript) -> None:
    """What the source does not take is refused before anything starts."""
    write_script()
    result = shell("run", "etl.py", "--param", "year=2013")
    assert result.returncode == 2
    assert "takes no parameter 'year'" in result.stderr
    assert "Traceback" not in result.stderr


def test_wrong_option_is_refused_by_its_own_name(call: Call, write_script: WriteScript) -> None:
    """The sentence names the option, not an argument in the code."""
    write_script()
    result = call("run", "etl.py", "--workers", "5000")
    assert result.exit_code == 2
    assert result.stderr.startswith("persistq: option --workers: 5000 is refused")


def test_fresh_abandons_the_unfinished_load(
    shell: Shell, write_script: WriteScript, notes: Notes
) -> None:
    """With ``--fresh`` the whole source is worked on again, in a new load."""
    write_script()
    assert shell("run", "etl.py", DEADLY="2").returncode == -9
    result = shell("run", "etl.py", "--fresh")
    assert result.returncode == 0, result.stderr
    assert "load 2 begins" in result.stderr
    assert [line.split()[0] for line in notes("stored")][-5:] == ["0", "1", "2", "3", "4"]


def test_progress_none_shows_no_progress(shell: Shell, write_script: WriteScript) -> None:
    """The lines that say how a load begins and ends are all there is."""
    write_script()
    assert "/s\n" not in shell("run", "etl.py", "--progress", "none").stderr
    assert "/s\n" in shell("run", "etl.py", "--progress", "plain").stderr


def test_quiet_says_what_has_gone_wrong_and_nothing_else(
    shell: Shell, write_script: WriteScript
) -> None:
    """Whatever the progress; of what has gone well nothing, whichever way it is said."""
    write_script()
    assert shell("run", "etl.py", "--quiet", "--progress", "plain").stderr == ""
    assert shell("run", "etl.py", PERSISTQ_QUIET="1").stderr == ""
    failed = shell("run", "etl.py", "-q", BROKEN="3")
    assert failed.returncode == 6
    first, last = failed.stderr.splitlines()
    assert first == "sales: store:4 failed: ValueError: 3 is broken (parked)"
    assert last.startswith("sales: load 'sales' has nothing outstanding, and 1 item parked")


def test_progress_json_is_an_object_on_each_line(shell: Shell, write_script: WriteScript) -> None:
    """Also of an inline run, which has no progress to show."""
    write_script()
    for options, kinds in (
        ([], {"said", "progress", "end"}),
        (["--workers", "0"], {"said", "end"}),
    ):
        result = shell("run", "etl.py", "--progress", "json", *options)
        found = [json.loads(line) for line in result.stderr.splitlines()]
        assert {one["kind"] for one in found} == kinds
        assert (found[-1]["kind"], found[-1]["done"]) == ("end", 5)


def test_journal_option_reaches_programs_that_the_program_starts(
    shell: Shell, write_script: WriteScript, tmp_path: Path
) -> None:
    """The directory is handed on, absolute, in the environment."""
    write_script("import os\nprint(os.environ['PERSISTQ_JOURNAL'])", main="pass")
    result = shell("run", "etl.py", "--journal", "typed")
    assert result.stdout == f"{tmp_path / 'typed'}\n"


def test_command_line_merges_parameters_by_name() -> None:
    """A typed parameter replaces one of the code's, and leaves the others."""
    command_line(params={"b": 2}, workers=3, fresh=None)
    settings = load_settings(params={"a": 1, "b": 1}, workers=9, fresh=True)
    assert settings.params == {"a": 1, "b": 2}
    assert (settings.workers, settings.fresh) == (3, True)


def test_command_line_is_named_in_refusals() -> None:
    """Who typed a wrong value reads about what was typed."""
    command_line(retries=-1)
    with pytest.raises(UsageError, match="option --retries: -1 is refused"):
        load_settings(retries=5)


# --- ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["etl.py", "etl.py:pipeline", "etl:pipeline"])
@pytest.mark.parametrize(
    ("trouble", "code"),
    [({}, 0), ({"BROKEN": "3"}, 6), ({"BROKEN": "3", "PERSISTQ_ON_ERROR": "stop"}, 3)],
)
def test_exit_code_says_how_the_load_ended(
    target: str, trouble: dict[str, str], code: int, shell: Shell, write_script: WriteScript
) -> None:
    """0 settled, 6 settled with failed items, 3 outstanding, and no traceback of ours."""
    write_script()
    result = shell("run", target, **trouble)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr


def test_sigterm_ends_with_143(shell: Shell, write_script: WriteScript) -> None:
    """A run that is stopped by a signal says so in its exit code, and what to type next."""
    write_script()
    result = shell("run", "etl.py", STOPPING="2")
    assert result.returncode == 143
    assert "persistq resume sales" in result.stderr


def test_error_of_the_script_is_shown_from_the_script_on(
    shell: Shell, write_script: WriteScript
) -> None:
    """The traceback is the one that python would show, and so is the exit code."""
    write_script("def fail():\n    1 / 0", main="fail()")
    expected = shell("etl.py", python=True)
    result = shell("run", "etl.py")
    assert result.returncode == expected.returncode == 1
    assert result.stderr == expected.stderr


def test_exit_code_of_the_script_is_kept(shell: Shell, write_script: WriteScript) -> None:
    """A script that exits by itself is not overruled."""
    write_script("import sys", main="sys.exit(7)")
    assert shell("run", "etl.py").returncode == 7


def test_second_live_run_is_refused_with_exit_code_4(
    shell: Shell, write_script: WriteScript, tmp_path: Path
) -> None:
    """Two runs of one load never work beside each other; the sentence names the first."""
    text = """
    import os, sys
    from persistq import Pipeline

    pipeline = Pipeline("sales", workers=1)

    @pipeline.source
    def numbers():
        yield 1

    @pipeline.stage
    def store(number):
        open("arrival", "w").close()
        open("departure").close()
    """
    write_script(text)
    # Opening a FIFO waits until the other end is opened too.
    os.mkfifo(tmp_path / "arrival")
    os.mkfifo(tmp_path / "departure")
    with subprocess.Popen([sys.executable, "etl.py"], stderr=subprocess.PIPE) as first:
        (tmp_path / "arrival").open().close()
        result = shell("run", "etl.py")
        resumed = shell("resume", "sales")
        (tmp_path / "departure").open("w").close()
        first.communicate()
    assert result.returncode == resumed.returncode == 4
    for refusal in (result, resumed):
        assert "is working on it" in refusal.stderr
        assert "Traceback" not in refusal.stderr
    assert first.returncode == 0


def test_misuse_of_a_queue_is_shown_with_its_line(shell: Shell, write_script: WriteScript) -> None:
    """An error that is the program's own comes with its traceback."""
    write_script(QUEUE_SCRIPT, main="queue.close(); queue.put(4)")
    result = shell("run", "etl.py")
    assert result.returncode == 1
    assert "QueueClosed" in result.stderr
    assert "queue.put(4)" in result.stderr


def test_installed_script_is_the_same_command(tmp_path: Path) -> None:
    """What is installed beside the interpreter does what the module does."""
    script = Path(sys.executable).with_name("persistq")
    if not script.exists():
        pytest.skip("persistq is not installed in this environment")
    result = subprocess.run([script, "list", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout)["journals"] == []
    assert str(tmp_path) in result.stderr
