"""Measure an earlier commit and this tree in turns: ``python benchmarks/compare.py --help``.

What the machine does beside it, and whether its disk is quick today, strikes both alike; so their
ratio says what a change costs where two runs on two days would not.
"""

from __future__ import annotations

import argparse
import json
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
from table import lines_of, targets_text
from targets import SINCE
from verdict import ours_failed

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "build" / "benchmarks" / "compared"
HOT = tuple(name for name in SCENARIOS if name in {*(name for name, _ in SINCE), "startup"})
"""What a change could make slower, and what a target is set for."""


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
    parser.add_argument("--output", type=Path, default=OUTPUT, help="directory of the figures")
    return parser.parse_args()


def main() -> int:
    """Measure both; 1 if one of them failed in a scenario."""
    asked = arguments()
    asked.output.mkdir(parents=True, exist_ok=True)
    records = []
    with checked_out(asked.base) as base, tempfile.TemporaryDirectory() as scratch:
        for name in asked.only:
            scenario = contrasted(load(name, Scale(asked.scale)), asked.base, base)
            series = Series(
                rounds=asked.rounds,
                warm_up=asked.scale != "tiny",
                place=Path(scratch, name),
                tell=lambda _: None,
            )
            record = series.play(scenario) | {"scale": asked.scale, "rounds": asked.rounds}
            text = json.dumps(record | {"base": asked.base}, indent=1)
            (asked.output / f"{name}.json").write_text(text + "\n", encoding="utf-8")
            print("\n".join(lines_of(record)), flush=True)
            records.append(record)
    print("\n".join(targets_text(records)), flush=True)
    return int(any(map(ours_failed, records)))


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

    Each tree prepares its own directory, in its own format.
    """
    ours = [one for one in scenario.contenders if one.ours]
    return replace(
        scenario,
        contenders=[twin for one in ours for twin in _twins(one, commit, base)],
        claims=[
            Claim(
                label=f"{one.name}: this tree / {commit}",
                ours=one.name,
                rivals=(_earlier(one, commit),),
                target=SINCE.get((scenario.name, one.name)),
                paired=True,
            )
            for one in ours
        ],
    )


def _twins(contender: Contender, commit: str, base: Path) -> tuple[Contender, Contender]:
    return (
        replace(contender, checkout=str(ROOT)),
        replace(contender, name=_earlier(contender, commit), checkout=str(base)),
    )


def _earlier(contender: Contender, commit: str) -> str:
    return f"{contender.name}, {commit}"


if __name__ == "__main__":
    sys.exit(main())
