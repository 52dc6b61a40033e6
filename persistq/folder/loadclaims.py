"""Claims of a load: what a source has claimed stays claimed until the journal is done with it.

A process ends; a load is carried on. So its claims have an owner of their own, which nobody takes
for dead, and a number that is never used again, because the journal has it in its items.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any, NamedTuple

from persistq import failpoints
from persistq.errors import UsageError
from persistq.folder.cards import facts_of, peer_in, write_card
from persistq.folder.claims import PART, Claims, give_back
from persistq.folder.owner import LOAD, Owner
from persistq.folder.place import Place, read_small
from persistq.folder.renames import sync_directory
from persistq.site.processes import has_ended, this_process


class LoadRun(NamedTuple):
    """One run of a load that claims files.

    Attributes:
        load: The load.
        run: The run; its source may be called several times.
        carried_on: Whether an earlier run has begun the load.
    """

    load: str
    run: str
    carried_on: bool


class LoadClaims(Claims):
    """Claims files of a folder for one load.

    Args:
        place: The folder.
        run: The run that it is done in.
    """

    def __init__(self, place: Place, run: LoadRun) -> None:
        super().__init__(place)
        self._run = run
        # An owner's name has no dot.
        self._me = Owner(LOAD + run.load.replace(".", "~"), this_process(), place)
        self._numbers = iter(_new_number, 0)

    def begin(self, rounds: int) -> int:
        """Take over what earlier calls for the load have claimed, and say who claims for it now.

        Crash: the next call does it again.

        Args:
            rounds: How many rounds are over.

        Returns:
            How many were when the load began: it is told that a round is over also if whoever was
            told first has died of it.

        Raises:
            UsageError: A live process claims files for a load of this name.
        """
        facts = self._facts()
        self._require_alone(facts)
        known = self._run.carried_on or facts.get("run") == self._run.run
        began = facts.get("began") if known else None
        rounds = began if type(began) is int else rounds
        said = {"load": facts_of(self._me.peer), "run": self._run.run, "began": rounds}
        write_card(self._me.card, said)
        failpoints.point("folder.after_load_began")
        for directory in (self._me.taken, self._me.tmp):
            directory.mkdir(exist_ok=True)
        self._owner = self._me
        for part in self._me.taken.glob(f"*{PART}"):
            if part.is_dir():
                give_back(part, self._place, part.name)
        return rounds

    def earlier(self) -> list[Path]:
        """Return what earlier runs have claimed, in its order."""
        return sorted(self._me.taken.iterdir())

    def let_go(self, number: int) -> None:
        """Leave a claim to the journal, with its name on disk before the journal has it."""
        del self._held[number]
        for directory in (self._me.taken, self._place.path):
            sync_directory(directory)

    def leave(self) -> None:
        """Do nothing: the claims are the load's."""

    def _facts(self) -> dict[str, Any]:
        try:
            facts = json.loads(read_small(self._me.card) or b"{}")
        except (ValueError, RecursionError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def _require_alone(self, facts: dict[str, Any]) -> None:
        peer = peer_in(json.dumps(facts.get("load")).encode())
        if peer is not None and peer != self._me.peer and has_ended(peer) is False:
            raise UsageError(
                f"{peer} claims files of {self._place.path} for a load of the same name: give each "
                "pipeline a name of its own, or a folder"
            )


def _new_number() -> int:
    """Return a number that is greater than those before, and nobody else's."""
    return time.time_ns() * 1000 + random.randrange(1000)  # noqa: S311 - nobody has to guess it
