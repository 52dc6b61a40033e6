"""A scenario's record as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
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


def target_of(claim: Record) -> str:
    """Return a claim's target as text, empty if it has none."""
    if claim["at_least"] is not None:
        return f"at least {claim['at_least']:g}"
    return "" if claim["at_most"] is None else f"at most {claim['at_most']:g}"


def verdict_of(claim: Record) -> str:
    """Return in a word whether a claim holds."""
    return {True: "holds", False: "does not hold", None: "for information"}[claim["holds"]]


def claim_text(claim: Record) -> str:
    """Return a claim and its figure in one line."""
    if claim["ratio"] is None:
        return f"{claim['label']}: nothing to compare"
    spread = f"{number(claim['ratio_min'])} to {number(claim['ratio_max'])}"
    text = f"{claim['label']}: {number(claim['ratio'])} ({spread})"
    if claim["against"] and len(claim["rivals"]) > 1:
        text += f" of {claim['against']}"
    return f"{text}; {_wanted(claim)}" if target_of(claim) else text


def _wanted(claim: Record) -> str:
    text = f"wanted {target_of(claim)}: {verdict_of(claim)}"
    for goal in ("first", "stretch"):
        if claim[goal] is not None:
            word = "reached" if claim[f"holds_{goal}"] else "not reached"
            text += f"; {goal} {claim[goal]:g} {word}"
    return text


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
