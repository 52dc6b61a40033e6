"""Run the benchmarks: ``python benchmarks/run.py --help``.

Each scenario runs persistq and its rivals alternately, prints medians and ratios, and leaves every
figure in ``build/benchmarks/<scenario>.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from contest import Scale, Scenario
from rounds import Series
from scenarios import SCENARIOS, load
from table import lines_of, targets_text
from verdict import Record, ours_failed

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "build" / "benchmarks"
SCALES = ("tiny", "quick", "normal", "full")


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=SCENARIOS, default=SCENARIOS, metavar="NAME",
        help=f"scenarios to run, of: {', '.join(SCENARIOS)}",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, help="rounds that count (default: 5; quick: 3)")
    parser.add_argument("--scale", choices=SCALES, default="normal", help="how many items")
    parser.add_argument(
        "--quick", action="store_const", const="quick", dest="scale", help="a fifth of the items"
    )
    parser.add_argument(
        "--full", action="store_const", const="full", dest="scale",
        help="10 million items outstanding instead of one; takes an hour",
    )  # fmt: skip
    parser.add_argument(
        "--standard-library", action="store_true", help="leave out what has to be installed"
    )
    parser.add_argument("--output", type=Path, default=OUTPUT, help="directory of the figures")
    return parser.parse_args()


def main() -> int:
    """Run the scenarios; 1 if persistq itself failed in one."""
    asked = arguments()
    rounds = asked.rounds or {"tiny": 1, "quick": 3}.get(asked.scale, 5)
    asked.output.mkdir(parents=True, exist_ok=True)
    scale = Scale(asked.scale)
    # All of them are stated before the first is played: a mistake shall not end a run of an hour.
    scenarios = [load(name, scale) for name in asked.only]
    failed, records = False, []
    for name, scenario in zip(asked.only, scenarios, strict=True):
        series = Series(
            rounds=rounds,
            warm_up=asked.scale != "tiny",
            place=asked.output.resolve() / "scratch" / name,
            tell=lambda text, name=name: _tell(f"{name}: {text}"),
            standard_only=asked.standard_library,
        )
        records.append(_run(scenario, scale, series, asked.output))
        failed |= ours_failed(records[-1])
    print("\n".join(targets_text(records)), flush=True)
    return int(failed)


def _run(scenario: Scenario, scale: Scale, series: Series, output: Path) -> Record:
    began = time.monotonic()
    record = series.play(scenario) | {"scale": scale.name, "rounds": series.rounds}
    record["took"] = round(time.monotonic() - began, 1)
    text = json.dumps(record, indent=1)
    (output / f"{scenario.name}.json").write_text(text + "\n", encoding="utf-8")
    _tell("")
    print("\n".join(lines_of(record)), f"({record['took']:,.0f} s)\n", flush=True)
    return record


def _tell(text: str) -> None:
    """Show what is going on, where somebody is watching."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
