"""``persistq retry --sample``: some first, the rest if these end well, and somebody agrees."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from persistq.cli.sampling import spread

from .acting import TIMEOUT_S, Call, Notes, Shell, WriteScript
from .terminals import answering
from .test_amending import look_until, states

SCRIPT = """
    import time
    from pathlib import Path

    from persistq import Pipeline

    HERE = Path(__file__).parent
    pipeline = Pipeline("sales", workers=1)


    @pipeline.source
    def orders():
        yield from range(20)


    @pipeline.stage
    def store(n):
        if n < 12 and not (HERE / "fixed").exists() and not (n == 0 and (HERE / "half").exists()):
            raise ValueError(f"order {n} is bad")
        with (HERE / "notes").open("a") as file:
            file.write(f"stored {n}\\n")
        while n == 19 and (HERE / "wait").exists():
            time.sleep(0.01)
"""

SAMPLE = ["retry", "--all", "--sample", "3"]


@pytest.fixture
def ended(write_script: WriteScript, shell: Shell) -> Path:
    """A load that is settled, with twelve items parked."""
    script = write_script(SCRIPT)
    assert shell(str(script), python=True).returncode == 6
    return script


@contextmanager
def at_work(script: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a load that waits at its last item while there is a file ``wait``."""
    (script.parent / "wait").touch()
    process = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def counts(call: Call) -> dict[str, int]:
    """Return how many items are in each place."""
    found = [*states(call).values()]
    return {state: found.count(state) for state in sorted({*found})}


def test_a_sample_is_spread_over_all() -> None:
    """The first is always in it."""
    assert spread(range(10, 22), 3) == [10, 14, 18]
    assert spread(range(3), 5) == [0, 1, 2]


def test_what_fails_again_leaves_the_rest_parked(
    call: Call, shell: Shell, ended: Path, own_place: Path
) -> None:
    """The exit code says so, and the run that was started is over."""
    (own_place / "half").touch()
    result = shell(*SAMPLE, "--yes")
    assert result.returncode == 6, result.stderr
    assert [line.split("\t") for line in result.stdout.splitlines()] == [
        ["store:1", "done", ""],
        ["store:5", "failed again", "ValueError: order 4 is bad"],
        ["store:9", "failed again", "ValueError: order 8 is bad"],
    ]
    assert "the other 9 stay parked, because 2 of 3 did not end well" in result.stderr
    assert counts(call) == {"done": 9, "parked": 11}
    assert json.loads(call("status", "--json").stdout)["pid"] is None


def test_what_ends_well_takes_the_rest_along(
    call: Call, shell: Shell, ended: Path, own_place: Path
) -> None:
    """They wait for the next run, which settles the load."""
    (own_place / "fixed").touch()
    result = shell(*SAMPLE, "--yes")
    assert result.returncode == 0, result.stderr
    assert "9 items are outstanding again; next: persistq resume sales" in result.stderr
    assert counts(call) == {"done": 11, "outstanding": 9}
    assert shell("resume", "sales").returncode == 0
    assert counts(call) == {"done": 20}


def test_a_sample_leaves_the_rest_of_the_load_alone(
    call: Call, shell: Shell, write_script: WriteScript, own_place: Path, notes: Notes
) -> None:
    """The run that was started for it does not go on to what was not begun."""
    text = SCRIPT.replace("range(20)", "range(500)").replace("n == 19 and", "n == 19 or n > 20 and")
    script = write_script(text)
    with at_work(script) as process:
        look_until(lambda: notes("stored")[-1:] == ["19"])
        process.kill()
        process.wait()
    (own_place / "fixed").touch()
    (own_place / "wait").unlink()
    slow = SCRIPT.replace("range(20)", "range(500)").replace("while n == 19 and", "if n > 19 or")
    write_script(slow)
    result = shell(*SAMPLE, "--yes")
    assert result.returncode == 0, result.stderr
    assert "9 items are outstanding again; next: persistq resume sales" in result.stderr
    assert counts(call)["outstanding"] > 300


def test_without_a_terminal_it_says_what_it_would_need(
    call: Call, shell: Shell, ended: Path, own_place: Path
) -> None:
    """What was tried stays as it is."""
    (own_place / "fixed").touch()
    result = shell(*SAMPLE, "--json")
    assert "the other 9 stay parked: nobody can be asked here; --yes retries them" in result.stderr
    found = json.loads(result.stdout)
    assert (found["count"], found["left"], found["running"]) == (3, 9, False)
    assert [(it["name"], it["state"], it["error"]) for it in found["tried"]] == [
        ("store:1@1", "done", None),
        ("store:5@1", "done", None),
        ("store:9@1", "done", None),
    ]
    assert counts(call) == {"done": 11, "parked": 9}


@pytest.mark.parametrize(("answer", "left"), [("y\n", {"outstanding": 9}), ("n\n", {"parked": 9})])
def test_a_terminal_is_asked(
    call: Call, ended: Path, own_place: Path, answer: str, left: dict[str, int]
) -> None:
    """After it has seen how the sample has ended."""
    (own_place / "fixed").touch()
    text = answering("retry the other 9?", answer, *SAMPLE)
    assert text.index("store:9") < text.index("retry the other 9?")
    assert counts(call) == {"done": 11} | left


def test_a_run_at_work_tries_the_sample(
    call: Call, shell: Shell, write_script: WriteScript, own_place: Path, notes: Notes
) -> None:
    """It goes on afterwards, and takes the rest."""
    script = write_script(SCRIPT)
    with at_work(script) as process:
        look_until(lambda: notes("stored")[-1:] == ["19"])
        (own_place / "fixed").touch()
        with subprocess.Popen(
            [sys.executable, "-m", "persistq", *SAMPLE, "--yes"], stderr=subprocess.PIPE, text=True
        ) as trying:
            # The only worker is at the last item, until it may go on.
            look_until(lambda: counts(call).get("parked") == 9)
            (own_place / "wait").unlink()
            _, said = trying.communicate(timeout=TIMEOUT_S)
        assert trying.returncode == 0, said
        assert process.wait(TIMEOUT_S) in {0, 6}
    assert "trying 3 of 12 items" in said
    if "a run takes them" not in said:
        assert shell("resume", "sales").returncode == 0
    assert counts(call) == {"done": 20}


def test_a_program_that_cannot_start_is_told_with_its_words(
    call: Call, shell: Shell, ended: Path
) -> None:
    """The sample is outstanding then, as after any retry."""
    ended.write_text("raise SystemExit('no such module: etl')")
    result = shell(*SAMPLE, "--yes")
    assert result.returncode == 6
    assert "no such module: etl" in result.stderr
    assert "the other 9 stay parked, because 3 of 3 did not end well" in result.stderr
    assert counts(call)["outstanding"] == 3


def test_a_dry_run_of_a_sample_changes_nothing(call: Call, ended: Path) -> None:
    """It shows ten of all."""
    result = call(*SAMPLE, "--dry-run")
    assert "12 parked items would be retried; nothing is changed" in result.stderr
    assert len(result.stdout.splitlines()) == 10
    assert counts(call)["parked"] == 12
