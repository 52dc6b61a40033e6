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

    ``holds`` is None where there is no target, or nothing to compare, and ``holds_stretch`` where
    nothing more is aimed at; ``ratios`` has those of the rounds.
    """
    ours = _figures(records[claim.ours], claim.figure)
    rival = _best(claim, records, better)
    theirs = _figures(records[rival], claim.figure) if rival else dict.fromkeys(ours, 1.0)
    found: Record = asdict(claim) | {"against": rival, "ratio": None}
    found |= {"holds": None, "holds_stretch": None}
    # Rounds that both came through: their figures were taken one after the other.
    ratios = [ours[number] / theirs[number] for number in ours if number in theirs]
    if not ratios:
        return found
    ratio = median(ratios) if claim.paired else median(ours.values()) / median(theirs.values())
    spread = {"ratio_min": min(ratios), "ratio_max": max(ratios), "ratios": ratios}
    found |= spread | {"ratio": ratio}
    if claim.target is None:
        return found
    met, stretched = claim.target.met(ratio), claim.target.stretched(ratio)
    return found | {"holds": met, "holds_stretch": stretched}


def _best(claim: Claim, records: dict[str, Record], better: Better) -> str | None:
    medians = {
        name: median(figures.values())
        for name in claim.rivals
        if (figures := _figures(records[name], claim.figure))
    }
    if not medians:
        return claim.rivals[0] if claim.rivals else None
    choose = max if better == "higher" else min
    return choose(medians, key=lambda name: medians[name])


def _figures(record: Record, figure: str) -> dict[int, float]:
    """Return the figure of each round that has one, by the round's number."""
    if figure == "value":
        return {one["round"]: one["value"] for one in record["rounds"]}
    return {
        one["round"]: one["details"][figure] for one in record["rounds"] if figure in one["details"]
    }


def ours_failed(record: Record) -> bool:
    """Return whether persistq itself failed in a scenario."""
    return any(one["ours"] and one["state"] == "failed" for one in record["contenders"])
