"""From the figures of all rounds to medians, ratios, and whether a claim holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from contest import Better, Claim

Record = dict[str, Any]
"""A contender in the JSON: its name, its state, and every round."""


def summed_up(rounds: Sequence[Record], better: Better) -> Record:
    """Return the median and the spread of a contender's rounds."""
    values = [one["value"] for one in rounds]
    if not values:
        return {"median": None, "min": None, "max": None, "best": None}
    best = max(values) if better == "higher" else min(values)
    return {"median": median(values), "min": min(values), "max": max(values), "best": best}


def judged(claim: Claim, records: dict[str, Record], better: Better) -> Record:
    """Return a claim with its ratio, its spread over the rounds, and whether it holds.

    ``holds`` is None where there is no target, or nothing to compare.
    """
    ours = _figures(records[claim.ours], claim.figure)
    rival = _best(claim, records, better)
    theirs = _figures(records[rival], claim.figure) if rival else [1.0] * len(ours)
    found: Record = asdict(claim) | {"against": rival, "ratio": None, "holds": None}
    if not ours or not theirs:
        return found
    pairs = [a / b for a, b in zip(ours, theirs, strict=False)]
    ratio = median(ours) / median(theirs)
    return found | {
        "ratio": ratio,
        "ratio_min": min(pairs),
        "ratio_max": max(pairs),
        "holds": _holds(ratio, claim),
        "holds_first": None if claim.first is None else _beats(ratio, claim.first, claim),
        "holds_stretch": None if claim.stretch is None else _beats(ratio, claim.stretch, claim),
    }


def _best(claim: Claim, records: dict[str, Record], better: Better) -> str | None:
    medians = {
        name: median(figures)
        for name in claim.rivals
        if (figures := _figures(records[name], claim.figure))
    }
    if not medians:
        return claim.rivals[0] if claim.rivals else None
    choose = max if better == "higher" else min
    return choose(medians, key=lambda name: medians[name])


def _figures(record: Record, figure: str) -> list[float]:
    rounds = record["rounds"]
    if figure == "value":
        return [one["value"] for one in rounds]
    return [one["details"][figure] for one in rounds if figure in one["details"]]


def _holds(ratio: float, claim: Claim) -> bool | None:
    target = claim.at_least if claim.at_least is not None else claim.at_most
    return None if target is None else _beats(ratio, target, claim)


def _beats(ratio: float, limit: float, claim: Claim) -> bool:
    return ratio <= limit if claim.at_most is not None else ratio >= limit
