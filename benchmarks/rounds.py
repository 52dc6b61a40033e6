"""The rounds of one scenario: all contenders take turns, and every figure is kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contest import Claim, Contender, Scenario
from machine import machine, version
from trial import TrialFailed, play, sweep
from verdict import Record, judged, summed_up

WARM_UP = -1

Teller = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Series:
    """How often a scenario is played, and where.

    Attributes:
        rounds: Rounds that count.
        warm_up: Whether a round that does not count comes before them.
        place: Directory for everything that the contenders write.
        tell: Told about each round.
        standard_only: Whether rivals that have to be installed are left out.
    """

    rounds: int
    warm_up: bool
    place: Path
    tell: Teller
    standard_only: bool = False

    def play(self, scenario: Scenario) -> Record:
        """Play all rounds of a scenario and return its record, as it is written to JSON."""
        self.place.mkdir(parents=True, exist_ok=True)
        circumstances = machine(self.place)
        present = [one for one in scenario.contenders if not (self.standard_only and one.package)]
        records = {one.name: _record(one) for one in present}
        try:
            ready = self._prepare(scenario, [one for one in present if not _missing(one)])
            for number, contender in self._turns(present):
                place = ready.get(contender.name, self.place / "own")
                self._turn(number, contender, scenario, records[contender.name], place)
        finally:
            sweep(self.place)
        for record in records.values():
            record.update(summed_up(record["rounds"], scenario.better))
        return _whole(scenario, circumstances, records)

    def _prepare(self, scenario: Scenario, contenders: list[Contender]) -> dict[str, Path]:
        """Prepare each directory that is wanted, and return them by contender."""
        places: dict[str, Path] = {}
        ready: dict[str, Path] = {}
        for one in contenders:
            if one.prepared is None:
                continue
            wanted = json.dumps([one.checkout, *one.prepared])
            if wanted not in places:
                self.tell(f"preparing: {one.name}")
                places[wanted] = self.place / f"prepared-{len(places)}"
                play(places[wanted], *one.prepared, scenario.timeout, one.checkout)
                sweep(places[wanted], keep=True)
            ready[one.name] = places[wanted]
        return ready

    def _turns(self, contenders: list[Contender]) -> Iterator[tuple[int, Contender]]:
        first = WARM_UP if self.warm_up else 0
        for number in range(first, self.rounds):
            # The order is turned about each time, so that nobody always follows the same one.
            for contender in contenders if number % 2 else reversed(contenders):
                yield number, contender

    def _turn(
        self, number: int, contender: Contender, scenario: Scenario, record: Record, place: Path
    ) -> None:
        if record["state"] == "not available":
            return
        self.tell(f"{'warm-up' if number == WARM_UP else f'round {number + 1}'}: {contender.name}")
        try:
            outcome = play(
                place, contender.play, contender.options, scenario.timeout, contender.checkout
            )
        except TrialFailed as failure:
            record["state"] = "failed"
            record["failures"].append({"round": number + 1, "reason": str(failure)})
        else:
            if number != WARM_UP:
                record["rounds"].append(outcome | {"round": number + 1})
        finally:
            sweep(place, keep=contender.prepared is not None)


def _record(contender: Contender) -> Record:
    needed = contender.package
    found = version(needed) if needed else None
    record: Record = {
        "name": contender.name,
        "ours": contender.ours,
        "durable": contender.durable,
        "version": f"{needed} {found}" if found else None,
        "options": dict(contender.options),
        "state": "ran",
        "failures": [],
        "rounds": [],
    }
    if reason := _missing(contender):
        record |= {"state": "not available", "failures": [{"round": 0, "reason": reason}]}
    return record


def _missing(contender: Contender) -> str:
    """Return what a contender needs and this machine has not, or nothing."""
    if (package := contender.package) and not version(package):
        return f"the distribution {package} is not installed: pip install 'persistq[bench]'"
    if (program := contender.program) and not shutil.which(program):
        return f"the program {program} is not installed: apt install {program}"
    return ""


def _whole(scenario: Scenario, circumstances: Record, records: dict[str, Record]) -> Record:
    about: dict[str, Any] = {
        name: getattr(scenario, name)
        for name in ("name", "title", "unit", "better", "method", "payload")
    }
    known = [
        claim
        for claim in scenario.claims
        if claim.ours in records and (not claim.rivals or set(claim.rivals) & set(records))
    ]
    return about | {
        "machine": circumstances,
        "contenders": list(records.values()),
        "claims": [judged(_among(claim, records), records, scenario.better) for claim in known],
    }


def _among(claim: Claim, records: dict[str, Record]) -> Claim:
    return replace(claim, rivals=tuple(name for name in claim.rivals if name in records))
