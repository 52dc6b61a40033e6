"""The benchmark suite works: every scenario runs, with tiny numbers. Nothing is timed here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SCENARIOS = sorted(
    path.stem for path in (BENCHMARKS / "scenarios").glob("*.py") if path.stem != "__init__"
)

CHECKOUT = pytest.mark.skipif(
    not (BENCHMARKS.parent / ".git").exists(),
    reason="this tree is no git checkout, so there is no earlier commit",
)


def run(script: str, *args: object, path: str | None = None) -> str:
    """Run a script of the suite, with programs of a path, and return what it prints."""
    command = [sys.executable, str(BENCHMARKS / script), *map(str, args)]
    env = None if path is None else {**os.environ, "PATH": path}
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=55, check=False, env=env
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


Measure = Callable[[str], Path]


@pytest.fixture(scope="module")
def measure(tmp_path_factory: pytest.TempPathFactory) -> Measure:
    """Run one scenario at its tiniest, once, and return the directory of its record."""

    @cache
    def once(name: str) -> Path:
        output = tmp_path_factory.mktemp(name)
        options = ("--scale", "tiny", "--standard-library", "--output", output)
        run("run.py", *options, "--only", name)
        return output

    return once


def record_of(name: str, records: Path) -> dict[str, Any]:
    """Return the record of a scenario."""
    record: dict[str, Any] = json.loads((records / f"{name}.json").read_text(encoding="utf-8"))
    return record


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_runs_and_every_item_arrives(name: str, measure: Measure) -> None:
    """Nobody crashes, and no contender of the standard library loses or repeats an item."""
    record = record_of(name, measure(name))
    assert record["contenders"]
    for contender in record["contenders"]:
        assert contender["failures"] == []
        assert contender["median"] > 0
        for one in contender["rounds"]:
            assert not any(one["delivery"].get(count) for count in ("lost", "duplicates"))


def test_persistq_has_recorded_every_item_it_delivered(measure: Measure) -> None:
    """What the workers have seen is what the journal says is done."""
    record = record_of("bulk", measure("bulk"))
    (ours,) = (one for one in record["contenders"] if one["ours"])
    (only,) = ours["rounds"]
    assert only["details"]["recorded"] == only["delivery"]["delivered"] == 2_000


def test_page_has_every_claim_and_says_that_it_is_a_trial(measure: Measure) -> None:
    """A page made of tiny figures cannot be taken for a real one."""
    records = measure("single_put")
    page = run("page.py", "--records", records)
    assert "Trial figures" in page
    assert all(claim["label"] in page for claim in record_of("single_put", records)["claims"])


def test_figure_is_drawn(measure: Measure, tmp_path: Path) -> None:
    """A figure comes out as a PNG, where matplotlib is installed."""
    pytest.importorskip("matplotlib", reason="matplotlib comes with the extra `bench`")
    run("plot.py", "--records", measure("single_put"), "--figures", tmp_path)
    assert (tmp_path / "single_put.png").read_bytes().startswith(b"\x89PNG")


def test_rival_that_crashes_is_reported_with_its_last_words(tmp_path: Path) -> None:
    """A contender's error is in the failure's text, and so is that of its worker process."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from trial import TrialFailed, play\n"
        "try:\n"
        "    play(Path(sys.argv[2]), 'rivals.turbo_queue:drain', dict(items=1, workers=1), 30)\n"
        "except TrialFailed as failure:\n"
        "    print(failure)\n"
    )
    command = [sys.executable, "-c", code, str(BENCHMARKS), str(tmp_path / "own")]
    said = subprocess.run(command, capture_output=True, text=True, timeout=55, check=True).stdout
    assert said.startswith("crashed: ValueError: only whole batches of 1000")


def test_rival_whose_server_is_missing_is_said_to_be(tmp_path: Path) -> None:
    """A run goes on without it, and its targets are not taken for reached."""
    said = run("run.py", "--scale", "tiny", "--output", tmp_path, "--only", "redis", path="")
    assert "not available: the " in said
    assert said.rstrip().endswith("not measured")


def test_redis_delivers_every_item_once(tmp_path: Path) -> None:
    """Where its server is installed, and the client for it, it is a rival that loses nothing."""
    if not (shutil.which("redis-server") and find_spec("redis")):
        pytest.skip("Redis is a rival of benchmarks only")
    run("run.py", "--scale", "tiny", "--output", tmp_path, "--only", "redis")
    rivals = [one for one in record_of("redis", tmp_path)["contenders"] if not one["ours"]]
    assert len(rivals) == 4
    for rival in rivals:
        (only,) = rival["rounds"]
        assert not only["delivery"]["lost"] + only["delivery"]["duplicates"]
        assert only["details"]["left"] == 0


@CHECKOUT
def test_earlier_commit_and_this_tree_are_measured_in_turns(tmp_path: Path) -> None:
    """The comparison runs each tree's own persistq, and gives the ratio of the two."""
    said = compared("bulk", tmp_path)
    assert "persistq, 2 workers: this tree / HEAD: " in said
    assert record_of("bulk", tmp_path)["base"] == "HEAD"


def compared(name: str, output: Path) -> str:
    """Compare this tree with its last commit in a scenario, and return what is printed."""
    options = ("--base", "HEAD", "--scale", "tiny", "--rounds", 1, "--output", output)
    return run("compare.py", *options, "--only", name)
