"""Measure an earlier commit and this tree in turns: ``python benchmarks/compare.py --help``.

What the machine does beside it, and whether its disk is quick today, strikes both alike; so their
ratio says what a change costs where two runs on two days would not.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from contest import Claim, Contender, Scale, Scenario
from rounds import Series
from scenarios import SCENARIOS, load
from table import lines_of

ROOT = Path(__file__).resolve().parents[1]
HOT = ("bulk", "latency", "single_put", "startup")


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="HEAD", help="the earlier commit (default: HEAD)")
    parser.add_argument(
        "--only", nargs="+", choices=SCENARIOS, default=HOT, metavar="NAME",
        help=f"scenarios, of: {', '.join(SCENARIOS)} (default: {', '.join(HOT)})",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count (default: 7)")
    parser.add_argument("--scale", choices=("tiny", "quick", "normal", "full"), default="normal")
    return parser.parse_args()


def main() -> int:
    """Measure both; 1 if one of them failed in a scenario."""
    asked = arguments()
    failed = False
    with checked_out(asked.base) as base, tempfile.TemporaryDirectory() as scratch:
        for name in asked.only:
            scenario = contrasted(load(name, Scale(asked.scale)), asked.base, base)
            series = Series(
                rounds=asked.rounds,
                warm_up=asked.scale != "tiny",
                place=Path(scratch, name),
                tell=lambda _: None,
            )
            record = series.play(scenario)
            print("\n".join(lines_of(record)), flush=True)
            failed |= any(one["state"] == "failed" for one in record["contenders"])
    return int(failed)


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Have a commit's tree in a directory of its own for as long as it is needed."""
    with tempfile.TemporaryDirectory() as place:
        tree = subprocess.run(
            ["git", "archive", commit], cwd=ROOT, capture_output=True, check=True
        ).stdout
        subprocess.run(["tar", "--extract", "--directory", place], input=tree, check=True)
        yield Path(place)


def contrasted(scenario: Scenario, commit: str, base: Path) -> Scenario:
    """Return a scenario in which persistq is its own and only rival.

    What prepares its directory is this tree's, so scenarios with one compare the same journal only
    as long as its format is the same.
    """
    ours = [one for one in scenario.contenders if one.ours]
    return replace(
        scenario,
        contenders=[twin for one in ours for twin in _twins(one, commit, base)],
        claims=[
            Claim(label=f"{one.name}: this tree / {commit}", ours=one.name, rivals=(rival.name,))
            for one in ours
            for rival in [_twins(one, commit, base)[1]]
        ],
    )


def _twins(contender: Contender, commit: str, base: Path) -> tuple[Contender, Contender]:
    return (
        replace(contender, checkout=str(ROOT)),
        replace(contender, name=f"{contender.name}, {commit}", checkout=str(base)),
    )


if __name__ == "__main__":
    sys.exit(main())
