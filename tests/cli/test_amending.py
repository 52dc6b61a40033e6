"""``persistq retry``, ``drop`` and ``edit``: beside a run, without one, and killed on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from persistq import failpoints
from persistq.testing import check_journal

from .acting import TIMEOUT_S, Call, Notes, Record, Shell, WriteScript
from .test_failed import night, refused, told

SCRIPT = """
    import time
    from pathlib import Path

    from persistq import Pipeline

    HERE = Path(__file__).parent
    pipeline = Pipeline("sales", workers=1)


    @pipeline.source
    def orders():
        for n in range(5):
            yield {"n": n}


    @pipeline.stage
    def store(order):
        n = order["n"]
        if n in {1, 2} and not (HERE / "fixed").exists():
            raise ValueError(f"order {n} is bad")
        while n == 4 and not (HERE / "go").exists():
            time.sleep(0.01)
        with (HERE / "notes").open("a") as file:
            file.write(f"stored {n}\\n")
"""

RETRY = ["retry", "store:2"]
DROP = ["drop", "store:2", "--reason", "a test order"]
EDIT = ["edit", "store:2", "--set", "n=7"]
POINTS = {"retry": "amending.before_retry", "drop": "amending.before_discard"}
POINTS |= {"edit": "amending.before_replace"}


def states(call: Call) -> dict[str, str]:
    """Return where each item is."""
    lines = call("export", "sales", "--jsonl").stdout.splitlines()
    return {it["name"].partition("@")[0]: it["state"] for it in map(json.loads, lines)}


def look_until(fits: Callable[[], bool]) -> None:
    """Look again and again until something holds."""
    deadline = time.monotonic() + TIMEOUT_S
    while not fits():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


@pytest.fixture
def ended(write_script: WriteScript, shell: Shell, own_place: Path) -> Path:
    """A load that is settled, with items 2 and 3 parked."""
    script = write_script(SCRIPT)
    (own_place / "go").touch()
    assert shell(str(script), python=True).returncode == 6
    return script


Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(write_script: WriteScript) -> Iterator[Start]:
    """Start the load in the background; it goes on until there is a file ``go``."""
    begun: list[subprocess.Popen[bytes]] = []

    def run(**environment: str) -> subprocess.Popen[bytes]:
        script = write_script(SCRIPT)
        begun.append(
            subprocess.Popen(
                [sys.executable, str(script)],
                env=os.environ | environment,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        )
        return begun[-1]

    yield run
    for process in begun:
        process.kill()
        process.communicate()


# --- which items ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["retry"], "say which items: give their names, as in clean:6, or --stage"),
        (["retry", "store:2", "--all"], "say which items: give their names"),
        (["retry", "store:1"], "store:1 is done, and only what is parked as failed can be changed"),
        (["drop", "stor:2"], "has no stage 'stor'; its stages are: store"),
        (["drop", "store:99"], "stage store of load 1 of 'sales' has no item 99; its items are"),
        (["retry", "--load", "7", "--all"], "has no load 7"),
        (["drop", "--error", "("], "--error '(' is no regular expression"),
        (["edit", "store:2", "--set", "m=3"], "--set 'm=3' names no field of store:2, as in day=5"),
        (["edit", "store:3", "--set", "n=3"], "store:3 has no fields to set"),
        (["edit", "store:5", "--set", "n=3"], "store:5 is done, and only what is parked"),
    ],
)
def test_mistakes_have_a_sentence(
    call: Call, record: Record, words: list[str], sentence: str
) -> None:
    """And change nothing."""
    night(record)
    assert sentence in refused(call, *words)


def test_a_dry_run_says_how_many_and_shows_some(call: Call, record: Record) -> None:
    """It changes nothing."""
    night(record)
    for verb, done in (("retry", "retried"), ("drop", "dropped")):
        result = call(verb, "--error", "ValueError", "--dry-run")
        assert f"2 parked items would be {done}; nothing is changed" in result.stderr
        assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [
            "store:2",
            "store:3",
        ]
    words = ["edit", "store:2", "--set", "n=[4]", "--dry-run"]
    assert json.loads(call(*words).stdout)["n"] == [4]
    assert json.loads(call(*words, "--json").stdout)["item"]["n"] == [4]
    assert [*states(call).values()].count("parked") == 3


# --- without a run --------------------------------------------------------------------------------


def test_what_is_retried_runs_when_the_load_is_resumed(
    call: Call, shell: Shell, ended: Path, own_place: Path, notes: Notes
) -> None:
    """Only that; the other one stays parked, no run is recorded, and `why` tells of it."""
    result = shell(*RETRY)
    assert "1 item is outstanding again; next: persistq resume" in result.stderr
    assert states(call)["store:2"] == "outstanding"
    assert len(json.loads(call("status", "--json").stdout)["runs"]) == 1
    (own_place / "fixed").touch()
    assert shell("resume", "sales").returncode == 6
    assert notes("stored") == ["0", "3", "4", "1"]
    assert states(call)["store:3"] == "parked"
    assert "It was retried by hand: the failures before that count no more." in told(
        call, "store:2"
    )


def test_what_is_dropped_is_never_run(
    call: Call, shell: Shell, ended: Path, own_place: Path, notes: Notes
) -> None:
    """Not even if all that failed is retried; `why` has the reason."""
    assert shell(*DROP).returncode == 0
    (own_place / "fixed").touch()
    assert shell("resume", "--failed", "sales").returncode == 0
    assert notes("stored") == ["0", "3", "4", "2"]
    assert told(call, "store:2")[-1] == "It is dropped, by hand: a test order"


def test_what_is_edited_runs_as_it_is_then(
    call: Call, shell: Shell, ended: Path, notes: Notes
) -> None:
    """Beside it there is nothing new, and each of the two names the other."""
    result = shell(*EDIT)
    assert "store:6 is put for store:2, which is dropped" in result.stderr
    assert shell("resume", "sales").returncode == 6
    assert notes("stored") == ["0", "3", "4", "7"]
    assert told(call, "store:2")[-2:] == [
        "It was edited by hand: store:6 was put for it.",
        "It is dropped, by hand.",
    ]
    assert told(call, "store:6")[0] == "It was put by hand for store:2, which was edited."


def test_an_edited_item_stands_for_no_other_put(
    call: Call, shell: Shell, write_script: WriteScript, own_place: Path, notes: Notes
) -> None:
    """A source that goes on where it was killed may put the same, and that is another item."""
    text = SCRIPT.replace("range(5)", "(1, 7)").replace(
        'yield {"n": n}',
        'yield {"n": n}\n            import os, signal\n'
        '            while n == 1 and not (HERE / "stop").exists(): time.sleep(0.01)\n'
        '            if n == 1 and not (HERE / "fixed").exists():\n'
        "                os.kill(os.getppid(), signal.SIGKILL)\n"
        "                signal.pause()",
    )
    script = write_script(text)
    process = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL)
    look_until(lambda: call("status", "--json").exit_code == 0 and "parked" in str(states(call)))
    (own_place / "stop").touch()
    process.wait(TIMEOUT_S)
    look_until(lambda: "a run takes them" not in shell("edit", "store:1", "--set", "n=7").stderr)
    (own_place / "fixed").touch()
    assert shell("resume", "sales").returncode == 0
    assert notes("stored") == ["7", "7"]
    assert states(call) == {"store:1": "dropped", "store:2": "done", "store:3": "done"}


@pytest.mark.parametrize("words", [RETRY, DROP, EDIT], ids=lambda words: words[0])
@pytest.mark.parametrize("point", ["", "broker.before_commit", "broker.after_commit"])
@pytest.mark.parametrize("action", ["kill", "error"])
def test_a_command_that_dies_has_done_all_or_nothing(
    call: Call, shell: Shell, ended: Path, words: list[str], point: str, action: str
) -> None:
    """And may be given again."""
    before = states(call)
    fault = {failpoints.VARIABLE: f"{point or POINTS[words[0]]}@1:{action}"}
    assert shell(*words, **fault).returncode != 0
    assert check_journal(ended.parent / ".persistq" / "sales.db") == []
    if point == "broker.after_commit":
        assert states(call) != before
    else:
        assert states(call) == before
        assert shell(*words).returncode == 0
        assert states(call) != before


# --- beside a run ---------------------------------------------------------------------------------


def parked(call: Call, count: int = 2) -> Callable[[], bool]:
    """Return what tells whether so many items are parked, and the last one is at work."""
    return lambda: (
        call("status", "--json").exit_code == 0
        and [*states(call).values()].count("parked") == count
        and json.loads(call("status", "--json").stdout)["outstanding"] == 1
    )


def test_a_live_run_takes_what_is_retried_and_never_what_is_dropped(
    call: Call, shell: Shell, start: Start, own_place: Path, notes: Notes
) -> None:
    """Its broker makes the change, and goes on."""
    process = start()
    look_until(parked(call))
    assert shell(*DROP).returncode == 0
    (own_place / "fixed").touch()
    result = shell("retry", "--all")
    assert "1 item is outstanding again; a run takes it" in result.stderr
    (own_place / "go").touch()
    assert process.wait(TIMEOUT_S) == 0
    assert sorted(notes("stored")) == ["0", "2", "3", "4"]
    assert states(call)["store:2"] == "dropped"


def test_a_live_run_works_on_what_was_edited(
    call: Call, shell: Shell, start: Start, own_place: Path, notes: Notes
) -> None:
    """As it is then, and not as it was."""
    process = start()
    look_until(parked(call))
    assert shell(*EDIT).returncode == 0
    assert shell("drop", "store:3").returncode == 0
    (own_place / "go").touch()
    assert process.wait(TIMEOUT_S) == 0
    assert sorted(notes("stored")) == ["0", "3", "4", "7"]


@pytest.mark.parametrize("words", [RETRY, DROP, EDIT], ids=lambda words: words[0])
def test_a_broker_that_dies_of_it_has_recorded_nothing(
    call: Call, shell: Shell, start: Start, own_place: Path, words: list[str], notes: Notes
) -> None:
    """The command says so, and the load can be carried on."""
    process = start(**{failpoints.VARIABLE: f"{POINTS[words[0]]}@1:kill"})
    look_until(parked(call))
    result = shell(*words)
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert process.wait(TIMEOUT_S) == 3
    assert states(call)["store:2"] == "parked"
    (own_place / "go").touch()
    (own_place / "fixed").touch()
    assert shell("resume", "--failed", "sales").returncode == 0
    assert set(notes("stored")) == {"0", "1", "2", "3", "4"}


def test_a_run_that_ends_takes_no_orders(
    call: Call, shell: Shell, start: Start, own_place: Path, notes: Notes
) -> None:
    """What was retried would wait in it for nothing: the command says what to wait for."""
    process = start(PERSISTQ_SHUTDOWN_GRACE="20")
    look_until(parked(call))
    process.terminate()
    assert process.stderr is not None
    assert any(b"finishing the items in flight" in line for line in process.stderr)
    result = shell(*RETRY)
    assert result.returncode == 4
    assert "is working on it; wait for it or stop it" in result.stderr
    assert states(call)["store:2"] == "parked"
    (own_place / "go").touch()
    process.wait(TIMEOUT_S)
    assert shell(*RETRY).returncode == 0
