"""A scenario's record as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Record = dict[str, Any]


def lines_of(record: Record) -> Iterator[str]:
    """Yield what is printed when a scenario is over."""
    yield f"{record['title']} ({record['unit']}, {record['better']} is better)"
    head = ("median", "min", "max", "delivered", "distinct", "duplicates", "lost")
    yield f"  {'':<36}" + "".join(f"{name:>12}" for name in head)
    for contender in record["contenders"]:
        yield from _contender(contender)
    for claim in record["claims"]:
        yield f"  {claim_text(claim)}"


def number(value: float | None) -> str:
    """Return a figure with as many digits as mean something."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.3g}"


def targets(records: Iterable[Record]) -> list[list[str]]:
    """Return every claim that has a target as a row, with the columns of `TARGETS_HEAD`.

    Args:
        records: Scenarios, as they were measured.
    """
    return [
        [record["name"], claim["label"], figure_of(claim), *goals_of(claim), reached(claim)]
        for record in records
        for claim in record["claims"]
        if claim["target"]
    ]


TARGETS_HEAD = ["scenario", "claim", "figure", "first", "stretch", "reached"]


def targets_text(records: Iterable[Record]) -> Iterator[str]:
    """Yield the lines of the table of targets."""
    rows = [TARGETS_HEAD, *targets(records)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def goals_of(claim: Record) -> tuple[str, str]:
    """Return the first goal and the stretch of a claim that has a target, as text."""
    target = claim["target"]
    stretch = target["stretch"]
    words = "at most" if target["less"] else "at least"
    return f"{words} {target['first']:g}", "" if stretch is None else f"{stretch:g}"


def reached(claim: Record) -> str:
    """Return in a word what a claim has reached of its target."""
    if claim["holds"] is None:
        return "not measured"
    if not claim["holds"]:
        return "no"
    return "stretch" if claim["holds_stretch"] else "first"


def figure_of(claim: Record) -> str:
    """Return a claim's figure and its spread over the rounds."""
    if claim["ratio"] is None:
        return "-"
    low, high = number(claim["ratio_min"]), number(claim["ratio_max"])
    return f"{number(claim['ratio'])} ({low} to {high})"


def claim_text(claim: Record) -> str:
    """Return a claim and its figure in one line."""
    if claim["ratio"] is None:
        return f"{claim['label']}: nothing to compare"
    text = f"{claim['label']}: {figure_of(claim)}"
    if claim["against"] and len(claim["rivals"]) > 1:
        text += f" of {claim['against']}"
    if claim["paired"]:
        text += f"; each round: {' '.join(map(number, claim['ratios']))}"
    return f"{text}; {_wanted(claim)}" if claim["target"] else text


def _wanted(claim: Record) -> str:
    first, stretch = goals_of(claim)
    return f"wanted {first}{f', stretch {stretch}' if stretch else ''}: {reached(claim)}"


def _contender(record: Record) -> Iterator[str]:
    figures = [number(record[name]) for name in ("median", "min", "max")]
    yield f"  {record['name']:<36}" + "".join(f"{f:>12}" for f in [*figures, *_counts(record)])
    for reason in dict.fromkeys(failure["reason"] for failure in record["failures"]):
        times = sum(failure["reason"] == reason for failure in record["failures"])
        yield f"      {record['state']}{f' {times} times' if times > 1 else ''}: {reason}"


def _counts(record: Record) -> list[str]:
    """Return the worst round's counts: a rival that loses items once is one that loses items."""
    rounds = [one["delivery"] for one in record["rounds"] if one["delivery"]]
    if not rounds:
        return []
    worst = max(rounds, key=lambda counts: (counts["lost"], counts["duplicates"]))
    return [f"{worst[name]:,}" for name in ("delivered", "distinct", "duplicates", "lost")]
