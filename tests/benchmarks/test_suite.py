"""The benchmark suite works: every scenario runs, with tiny numbers. Nothing is timed here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SCENARIOS = sorted(
    path.stem for path in (BENCHMARKS / "scenarios").glob("*.py") if path.stem != "__init__"
)


def run(script: str, *args: object) -> str:
    """Run a script of the suite and return what it prints."""
    command = [sys.executable, str(BENCHMARKS / script), *map(str, args)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
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


def test_earlier_commit_and_this_tree_are_measured_in_turns() -> None:
    """The comparison runs each tree's own persistq, and gives the ratio of the two."""
    if not (BENCHMARKS.parent / ".git").exists():
        pytest.skip("this tree is no git checkout, so there is no earlier commit")
    said = run("compare.py", "--base", "HEAD", "--only", "bulk", "--scale", "tiny", "--rounds", 1)
    assert "persistq, 2 workers: this tree / HEAD: " in said
