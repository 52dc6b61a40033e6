"""Loads: what one journaled execution is, what it was given, and what is left of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class LoadState(enum.StrEnum):
    """Where a load stands; the texts are stored in the journal.

    An open load is carried on by the next start. One that had ended and is worked on again is
    reopened: only a start that names it works on it.
    """

    OPEN = "open"
    SETTLED = "settled"
    ABANDONED = "abandoned"
    REOPENED = "reopened"

    @property
    def unfinished(self) -> bool:
        """Whether the load can be carried on as it is."""
        return self in {LoadState.OPEN, LoadState.REOPENED}


@dataclass(frozen=True, slots=True)
class Load:
    """One journaled execution, from its first put until it is settled."""

    load_id: int
    kind: str
    state: LoadState
    created_at: datetime
    ended_at: datetime | None
    purged_at: datetime | None = None
    """When its rows were given up, but for counters, failures and parked items."""


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a load, as it is stored.

    Attributes:
        name: Its name.
        codec: How the value is encoded, as for items.
        payload: The encoded value.
        shown: The value for people; masked if it is named like a secret.
        given: Whether the start that began the load named it; if not, it is the source's default.
    """

    name: str
    codec: int
    payload: bytes
    shown: str
    given: bool


@dataclass(frozen=True, slots=True)
class Left:
    """What a load that no plain start works on still has.

    Attributes:
        load_id: The load.
        state: Where it stands.
        parked: Its items parked as failed.
        outstanding: Its outstanding items.
    """

    load_id: int
    state: LoadState
    parked: int
    outstanding: int


class EndedLoad(NamedTuple):
    """A load that has ended and has its rows still.

    Attributes:
        load_id: The load.
        state: Settled or abandoned.
        ended_at: When.
        bytes: Of the data of all its items.
        outstanding: Its outstanding items, which an abandoned load may have.
    """

    load_id: int
    state: LoadState
    ended_at: datetime
    bytes: int
    outstanding: int
