"""Heartbeats and leases: who gives no sign of life for long enough counts as dead.

Every owner shows a sign that changes with each heartbeat: the time of a file, a number in a row.
Whoever looks at it measures by its own clock how long it has stayed the same; two clocks are never
compared. No threads and no files: this only counts, so that directories and hosts can share it.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from persistq.duration import DAY_S, seconds_of

BEATS_MIN: Final = 3
"""A lease has at least so many heartbeats, so that one that comes late kills nobody."""

_BEATS: Final = 12
HEARTBEAT_MAX_S: Final = 5.0

_LOOKS_MIN: Final = 4
"""So many looks it takes to see a lease run out: more than its part does not count between two of
them. So who was itself stopped, perhaps together with the others, hears them before it judges."""


class Life(enum.StrEnum):
    """How others see an owner."""

    ALIVE = "alive"
    SILENT = "silent"
    """It has given no sign for half its lease: it may be dead, and is not treated as such."""
    DEAD = "dead"


class Sign(NamedTuple):
    """What an owner shows.

    Attributes:
        token: Changes with each heartbeat.
        heartbeat: How often that happens by its own word, in seconds; 0 if it does not say.
        extended: How long it may be silent from this heartbeat on, in seconds; 0 for its lease.
    """

    token: Hashable
    heartbeat: float = 0.0
    extended: float = 0.0


class Silence(NamedTuple):
    """How long an owner has given no sign of life.

    Attributes:
        seconds: That long, in seconds.
        lease: How long it may.
        beats: Whether a heartbeat was seen at all.
    """

    seconds: float
    lease: float
    beats: bool = False

    @property
    def life(self) -> Life:
        """What that means."""
        if self.seconds >= self.lease:
            return Life.DEAD
        return Life.SILENT if self.seconds >= self.lease / 2 else Life.ALIVE


def boottime() -> float:
    """Return a time in seconds that goes on while the machine sleeps, where the system has one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@dataclass(slots=True)
class _Seen:
    token: Hashable
    at: float
    seconds: float = 0.0
    beats: bool = False


@dataclass
class Leases:
    """Counts how long owners have been silent.

    Attributes:
        lease: How long one may be, in seconds, if it has not asked for more.
        clock: Returns the present time in seconds; it never goes back.
    """

    lease: float
    clock: Callable[[], float] = boottime
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def look(self, owner: str, sign: Sign) -> Silence:
        """Return how long an owner has been silent, as far as it was looked at.

        Args:
            owner: Its name.
            sign: What it shows now.
        """
        now, lease = self.clock(), lease_of(self.lease, sign)
        seen = self._seen.get(owner)
        if seen is None or seen.token != sign.token:
            self._seen[owner] = _Seen(sign.token, now, beats=seen is not None)
            return Silence(0.0, lease, seen is not None)
        seen.seconds += min(now - seen.at, lease / _LOOKS_MIN)
        seen.at = now
        return Silence(seen.seconds, lease, seen.beats)


def lease_of(lease: float, sign: Sign) -> float:
    """Return how long an owner may be silent, in seconds: nobody is to be quicker than it beats."""
    return max(lease, BEATS_MIN * sign.heartbeat, sign.extended)


def heartbeat_of(lease: float, heartbeat: float | None) -> float:
    """Return how often to give a sign, in seconds: what is said, or what suits the lease.

    Raises:
        ValueError: The lease is too short for what is said.
    """
    if heartbeat is None:
        return min(lease / _BEATS, HEARTBEAT_MAX_S)
    if lease < BEATS_MIN * heartbeat:
        raise ValueError(
            f"lease={lease:g} is too short for heartbeat={heartbeat:g}: a lease should be at least "
            f"{BEATS_MIN} heartbeats, so that one that comes late kills nobody"
        )
    return heartbeat


def extension_of(seconds: float | str) -> float:
    """Return by how much somebody asks to be waited for, in seconds.

    Args:
        seconds: A number of seconds, or a text like ``"10min"``.

    Raises:
        UsageError: It is neither, or not more than nothing and at most a day.
    """
    return seconds_of("extend(seconds)", seconds, least=0.001, most=DAY_S)
