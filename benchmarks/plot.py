"""Draw one figure for each scenario: ``python benchmarks/plot.py --help``."""

from __future__ import annotations

import argparse
import json
import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator
from scenarios import SCENARIOS
from table import Record, number

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures"
RECORDS = ROOT / "build" / "benchmarks"

# One accent, and greys: told apart by lightness alone, so by everybody and in print.
ACCENT, GREY, FAINT, INK, SOFT = "#0B6FB8", "#B4B8BD", "#E4E6E9", "#1F2328", "#636A72"
SHADES = {True: ACCENT, False: GREY}

WIDTH_IN, DPI = 8.0, 200
CHARACTER_IN = 0.072
"""About the width of a letter of a contender's name."""

ROW_IN, HEAD_IN, FOOT_IN, LINE_IN, TOP_IN, LEFT = 0.36, 1.05, 0.6, 0.25, 0.16, 0.02
MEDIANS_AT, RATIOS_AT = 0.907, 0.99
TITLE_CHARACTERS = 76
LOG_FROM = 40
"""From this ratio of the largest to the smallest bar on, a linear axis would hide small ones."""


def main() -> None:
    """Draw the figures of all scenarios that have been measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=Path, default=RECORDS, help="directory of the JSON")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="directory of the PNG")
    asked = parser.parse_args()
    asked.figures.mkdir(parents=True, exist_ok=True)
    mpl.rcParams.update({"font.family": "DejaVu Sans", "font.size": 10, "text.color": INK})
    for name in SCENARIOS:
        path = asked.records / f"{name}.json"
        if path.exists():
            draw(json.loads(path.read_text(encoding="utf-8")), asked.figures / f"{name}.png")


def draw(record: Record, path: Path) -> None:
    """Draw one scenario.

    Args:
        record: As it was written to JSON.
        path: The PNG file.
    """
    contenders = [one for one in record["contenders"] if one["median"] is not None]
    title = textwrap.wrap(record["title"], TITLE_CHARACTERS)
    head = HEAD_IN + LINE_IN * (len(title) - 1)
    height = head + FOOT_IN + ROW_IN * len(contenders)
    figure = Figure(figsize=(WIDTH_IN, height), dpi=DPI)
    axes = figure.subplots()
    longest = max(len(one["name"]) for one in contenders)
    left = max(0.31, LEFT + longest * CHARACTER_IN / WIDTH_IN)
    figure.subplots_adjust(left=left, right=0.78, top=1 - head / height, bottom=FOOT_IN / height)
    log = _spans_decades(contenders)
    _values(axes, contenders, log=log)
    _frame(axes, record, contenders, log=log)
    _columns(axes, contenders, _ratios(record))
    below = LINE_IN * len(title)
    figure.text(LEFT, 1 - TOP_IN / height, "\n".join(title), size=12.5, weight="bold", va="top")
    figure.text(LEFT, 1 - (TOP_IN + below) / height, _caption(record), color=SOFT, size=9, va="top")
    figure.savefig(path, facecolor="white")


def _spans_decades(contenders: list[Record]) -> bool:
    medians = [one["median"] for one in contenders]
    return max(medians) / min(medians) > LOG_FROM


def _values(axes: Axes, contenders: list[Record], *, log: bool) -> None:
    """Draw medians with their spread: dots on a logarithmic axis, where lengths mean nothing."""
    medians = [one["median"] for one in contenders]
    places, shades = range(len(contenders)), [SHADES[one["ours"]] for one in contenders]
    if log:
        axes.set_xscale("log")
        axes.hlines(places, min(medians) / 4, medians, color=FAINT, linewidth=2, zorder=2)
        axes.scatter(medians, places, s=110, color=shades, zorder=3)
    else:
        axes.barh(places, medians, height=0.6, color=shades, zorder=2)
    below = [one["median"] - one["min"] for one in contenders]
    above = [one["max"] - one["median"] for one in contenders]
    axes.errorbar(
        medians, places, xerr=[below, above], fmt="none", ecolor=INK, elinewidth=1, zorder=4
    )
    most = max(one["max"] for one in contenders)
    axes.set_xlim((min(medians) / 4, most * 1.6) if log else (0, most * 1.04))


def _columns(axes: Axes, contenders: list[Record], ratios: dict[str, str]) -> None:
    """Write figures and ratios beside the axes, where nothing can cover them."""
    head = -0.85
    _cell(axes, MEDIANS_AT, head, "median", color=SOFT, size=9)
    if ratios:
        _cell(axes, RATIOS_AT, head, "ratio", color=SOFT, size=9)
    for place, one in enumerate(contenders):
        weight = "bold" if one["ours"] else "normal"
        _cell(axes, MEDIANS_AT, place, number(one["median"]), size=10, weight=weight)
        _cell(axes, RATIOS_AT, place, ratios.get(one["name"], ""), size=10)


def _cell(axes: Axes, right: float, place: float, text: str, **style: Any) -> None:
    axes.annotate(
        text, (right, place), xycoords=("figure fraction", "data"), ha="right", va="center", **style
    )


def _shown(record: Record) -> list[Record]:
    return [
        claim
        for claim in record["claims"]
        if claim["ratio"] is not None and claim["against"] and claim["figure"] == "value"
    ]


def _ratios(record: Record) -> dict[str, str]:
    """Return the text of each ratio by the contender that persistq's figure is divided by."""
    found: dict[str, str] = {}
    for claim in _shown(record):
        # The caption speaks of the first of persistq's contenders; a later claim may be another's.
        found.setdefault(claim["against"], f"{number(claim['ratio'])}\u00d7")
    return found


def _caption(record: Record) -> str:
    rounds = record["rounds"]
    text = f"Median of {rounds} rounds, lines from least to most." if rounds > 1 else "One round."
    if record["scale"] not in {"normal", "full"}:
        text = f"TRIAL with few items. {text}"
    ours = {one["name"] for one in record["contenders"] if one["ours"]}
    shown = _shown(record)
    if shown and shown[0]["against"] in ours:
        return f"{text} Ratio: {shown[0]['label']}."
    return f"{text} Ratio: persistq's median divided by this one." if shown else text


def _frame(axes: Axes, record: Record, contenders: list[Record], *, log: bool) -> None:
    axes.set_yticks(range(len(contenders)), [one["name"] for one in contenders], fontsize=10)
    for tick, one in zip(axes.get_yticklabels(), contenders, strict=True):
        tick.set_color(ACCENT if one["ours"] else INK)
    axes.set_ylim(len(contenders) - 0.5, -0.5)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="both", which="both", length=0)
    axes.tick_params(axis="x", colors=SOFT, labelsize=9)
    axes.grid(axis="x", color=FAINT, linewidth=0.8, zorder=0)
    axes.xaxis.set_major_locator(LogLocator() if log else MaxNLocator(4))
    axes.xaxis.set_major_formatter(lambda value, _: number(value) if value else "0")
    scale = ", logarithmic" if log else ""
    axes.set_xlabel(f"{record['unit']}{scale}; {record['better']} is better", color=SOFT, size=9)


if __name__ == "__main__":
    main()
