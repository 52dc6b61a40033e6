"""Retry, drop and edit beside a load at work, with a death at each step; then go on to the end.

Nothing is lost, nothing is run that was dropped, and of an edited item either the old or the new.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import persistq
from persistq import failpoints
from persistq.testing import check_journal

PROGRAM = """
    import time
    from pathlib import Path

    from persistq import Pipeline

    HERE = Path(__file__).parent
    pipeline = Pipeline("sales", workers=2)


    @pipeline.source
    def numbers():
        for n in range(60):
            yield {"n": n}


    @pipeline.stage
    def clean(row):
        if row["n"] % 10 == 0 and not (HERE / "fixed").exists():
            raise ValueError("not yet")
        return row["n"]


    @pipeline.stage
    def store(n):
        with (HERE / "stored").open("a") as file:
            file.write(f"{n}\\n")
        while n == 59 and not (HERE / "go").exists():
            time.sleep(0.005)


    if __name__ == "__main__":
        pipeline.run()
"""

TIMEOUT_S = 50.0
OLD, NEW = 10, 1000
ITEM = f"clean:{OLD + 1}"
ORDERS = {
    "retry": ["retry", ITEM],
    "drop": ["drop", ITEM, "--reason", "a test"],
    "edit": ["edit", ITEM, "--set", f"n={NEW}"],
}
FIRST = {"retry": "before_retry", "drop": "before_discard", "edit": "before_replace"}
IN_BROKER = ["amending.half_recorded", "amending.before_answer"]
IN_COMMAND = ["amending.before_ask", "amending.after_ask"]
AFTER = {"amending.before_answer", "amending.after_ask"}
"""What died there had recorded the order before."""

Start = Callable[..., "subprocess.Popen[bytes]"]


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "persistq", *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        start_new_session=True,
    )


def states() -> dict[str, str]:
    """Return where each item is."""
    lines = command("export", "sales", "--jsonl").stdout.splitlines()
    return {it["name"].partition("@")[0]: it["state"] for it in map(json.loads, lines)}


def look_until(fits: Callable[[], bool]) -> None:
    """Look again and again until something holds."""
    deadline = time.monotonic() + TIMEOUT_S
    while not fits():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def stored() -> list[int]:
    """Return what the last stage has got."""
    path = Path("stored")
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def ready() -> bool:
    """Return whether all is done but the last item, and every tenth is parked."""
    if 59 not in stored():
        return False
    found = json.loads(command("status", "sales", "--json").stdout)
    return (found["parked"], found["outstanding"]) == (6, 1)


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start the load in an empty directory; it goes on until there is a file ``go``."""
    monkeypatch.chdir(tmp_path)
    Path("etl.py").write_text(textwrap.dedent(PROGRAM))
    begun: list[subprocess.Popen[bytes]] = []

    def run(**environment: str) -> subprocess.Popen[bytes]:
        begun.append(
            subprocess.Popen(
                [sys.executable, "etl.py"],
                env=os.environ | environment,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )
        return begun[-1]

    yield run
    for process in begun:
        process.kill()
        process.wait()


def finish(running: subprocess.Popen[bytes]) -> None:
    """Let the run come to its end, and start others until nothing is left."""
    Path("go").touch()
    running.wait(TIMEOUT_S)
    look_until(lambda: command("resume", "--failed", "sales").returncode == 0)
    assert check_journal(Path(".persistq/sales.db")) == []


def faults() -> Iterator[tuple[str, str]]:
    """Yield each order with the names of the instants on its way."""
    for order in ORDERS:
        for point in (f"amending.{FIRST[order]}", *IN_BROKER, *IN_COMMAND):
            yield order, point


def test_there_are_no_other_points() -> None:
    """What is new on the way is to be died at."""
    code = Path(persistq.__file__).parent.rglob("*.py")
    found = re.findall(r'point\("(amending\.[^"]+)"', "".join(path.read_text() for path in code))
    assert {*found} == {point for _, point in faults()}


def test_a_stage_whose_workers_have_left_gets_new_ones(start: Start) -> None:
    """What is retried in it would be outstanding for ever otherwise, and so would the run."""
    running = start()
    look_until(ready)
    look_until(lambda: "clean" not in command("workers", "sales").stdout)
    Path("fixed").touch()
    assert command("retry", "--all", "--name", "sales").returncode == 0
    Path("go").touch()
    assert running.wait(TIMEOUT_S) == 0
    assert sorted(stored()) == [*range(60)]


@pytest.mark.parametrize("action", ["kill", "error"])
@pytest.mark.parametrize(("order", "point"), [*faults()])
def test_an_order_beside_a_load_is_carried_out_whole_or_not_at_all(
    start: Start, order: str, point: str, action: str
) -> None:
    """Whoever dies, and wherever; and the load comes to its end all the same."""
    fault = {failpoints.VARIABLE: f"{point}@1:{action}"}
    of_command = point in IN_COMMAND
    running = start(**({} if of_command else fault))
    look_until(ready)
    Path("fixed").touch()
    before = states()
    ordered = command(*ORDERS[order], **(fault if of_command else {}))
    assert ordered.returncode != 0, ordered
    if not of_command:
        assert "Traceback" not in ordered.stderr
    if point in AFTER:
        look_until(lambda: states() != before)
    recorded = states()[ITEM] != "parked"
    assert recorded is (point in AFTER)
    finish(running)
    expected = {*range(60)}
    if recorded and order in {"drop", "edit"}:
        expected.remove(OLD)
        assert states()[ITEM] == "dropped"
    if recorded and order == "edit":
        expected.add(NEW)
    assert {*stored()} == expected
