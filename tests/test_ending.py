"""How a script ends that does not catch an error of persistq."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.conftest import Runner

IMPORTS = """
import asyncio, sys, threading
from pathlib import Path
from persistq import FAILED, ItemsFailed, PersistentQueue, PersistqError, Pipeline, UsageError
"""

PIPELINE = """
pipeline = Pipeline("sales", workers=1)

@pipeline.source
def numbers():
    yield from [0, 1]

@pipeline.stage
def invert(number):
    1 / number
"""

WRONG_USE = {
    "a name": "PersistentQueue('a b')",
    "a codec": "PersistentQueue('work', codec='yaml')",
    "no stages": "Pipeline('sales').run()",
    "an argument of run": f"{PIPELINE}\npipeline.run(workers=-1)",
    "an unknown setting": f"{PIPELINE}\npipeline.run(wrokers=1)",
    "a handler without an item": "Pipeline('sales').stage(lambda: None)",
    "a halt rule": "Pipeline('sales').stage(halt='tomorrow')",
    "two sources": "p = Pipeline('sales'); p.source(print); p.source(print)",
}

THE_WORLD = {
    "a journal that others may write": (
        "Path('.persistq').mkdir(); Path('.persistq').chmod(0o777); PersistentQueue('work')",
        4,
        "other users can write its directory",
    ),
    "a queue that has failed": (
        "queue = PersistentQueue('work'); queue.fail('no more'); list(queue)",
        3,
        "load 'work' failed: no more",
    ),
    "failed items": (f"{PIPELINE}\npipeline.run()", 6, "1 item parked as failed"),
    "failed items, from an event loop": (
        f"{PIPELINE}\nasync def main(): pipeline.run()\nasyncio.run(main())",
        6,
        "1 item parked as failed",
    ),
}


@pytest.mark.parametrize("by", ["python", "persistq run"])
@pytest.mark.parametrize("what", WRONG_USE)
def test_wrong_use_in_a_script_is_one_sentence_and_exit_2(
    what: str, by: str, run_script: Runner, tmp_path: Path
) -> None:
    """Nobody needs a traceback to read what is wrong, and nothing is made."""
    text = IMPORTS + WRONG_USE[what]
    if by == "python":
        done = run_script(text)
    else:
        (tmp_path / "wrong.py").write_text(text)
        done = run_script("import persistq.cli; persistq.cli.main()", "run", "wrong.py")
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("persistq: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert not (tmp_path / ".persistq").exists()


@pytest.mark.parametrize("what", THE_WORLD)
def test_what_the_world_has_done_is_one_sentence_and_its_exit_code(
    what: str, run_script: Runner
) -> None:
    """A journal, a load that failed, items that are parked: each has a code of its own."""
    text, code, sentence = THE_WORLD[what]
    done = run_script(IMPORTS + text)
    assert done.returncode == code, done.stderr
    assert done.stderr.count(sentence) == 1, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("queue = PersistentQueue('work'); queue.close(); queue.put(1)", "QueueClosed"),
        ("PersistentQueue('work').put(lambda: 1)", "ItemNotStorable"),
        ("PersistentQueue('work').task_done()", "ValueError"),
    ],
)
def test_an_error_of_the_programs_own_code_keeps_its_traceback(
    text: str, error: str, run_script: Runner
) -> None:
    """Python's exit code 1 says that, and nothing else."""
    done = run_script(f"{IMPORTS}Pipeline('other')\n{text}")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert error in done.stderr


def test_in_a_thread_an_error_is_an_error(run_script: Runner) -> None:
    """The thread ends with a traceback, not without a word, and the program goes on."""
    text = f"""{PIPELINE}
thread = threading.Thread(target=pipeline.run)
thread.start()
thread.join()
print("going on")
"""
    done = run_script(IMPORTS + text, PERSISTQ_WORKERS="0")
    assert (done.returncode, done.stdout) == (0, "going on\n")
    assert "ItemsFailed" in done.stderr


def test_in_an_event_loop_an_error_is_an_error(run_script: Runner) -> None:
    """One task fails, and the others go on."""
    text = f"""{PIPELINE}
async def load():
    pipeline.run()

async def main():
    failed, other = await asyncio.gather(
        load(), asyncio.sleep(0, "going on"), return_exceptions=True
    )
    print(type(failed).__name__, other)

asyncio.run(main())
"""
    done = run_script(IMPORTS + text)
    assert (done.returncode, done.stdout) == (0, "ItemsFailed going on\n"), done.stderr


def test_at_a_prompt_an_error_ends_nothing(tmp_path: Path) -> None:
    """Who tries something at the keyboard sees the error and tries again."""
    typed = f"{IMPORTS}\nPersistentQueue('a b')\nprint('going on')\n"
    for options in (["-i"], ["-i", "-c", f"{IMPORTS}PersistentQueue('a b')"]):
        done = subprocess.run(
            [sys.executable, *options],
            input=typed,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "going on\n")
        assert "Error in sys.excepthook" not in done.stderr
        assert "cannot name a journal" in done.stderr


def test_a_hook_of_the_program_is_kept_for_other_errors(run_script: Runner) -> None:
    """Ours may come before or after it."""
    hook = textwrap.dedent(
        """
        def hook(kind, error, trace):
            print("hook", kind.__name__)
        """
    )
    before = f"{hook}sys.excepthook = hook\nPipeline('sales')\n"
    after = f"Pipeline('sales')\n{hook}sys.excepthook = hook\n"
    for first in (before, after):
        done = run_script(f"{IMPORTS}{first}1 / 0")
        assert (done.returncode, done.stdout) == (1, "hook ZeroDivisionError\n")
        done = run_script(f"{IMPORTS}{first}Pipeline('sales').run()")
        assert (done.returncode, done.stdout) == (2, ""), done.stderr


def test_an_error_can_be_caught_as_what_it_is(run_script: Runner) -> None:
    """Test frameworks and programs catch errors, and do not expect exits."""
    text = f"""{PIPELINE}
try:
    Pipeline("other").run()
except ValueError as error:
    assert isinstance(error, UsageError), error
try:
    pipeline.run()
except Exception as error:
    assert isinstance(error, ItemsFailed), error
    assert not isinstance(error, SystemExit)
    sys.exit(error.exit_code)
"""
    assert run_script(IMPORTS + text).returncode == 6
