"""Leases: silence is counted by one's own clock, and only as far as somebody has looked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from persistq import UsageError
from persistq.leases import (
    Leases,
    Life,
    Sign,
    boottime,
    extension_of,
    heartbeat_of,
)

LEASE_S = 60.0


def lives(moments: Iterable[float], signs: Iterable[Sign], lease: float = LEASE_S) -> Iterator[Any]:
    """Return how an owner is at each moment, if it shows these signs."""
    ticks = iter([*moments])
    leases = Leases(lease, lambda: next(ticks))
    return (leases.look("owner", sign).life for sign in signs)


def test_who_is_silent_is_alive_then_silent_then_dead() -> None:
    """At half the lease others are told, at its end the owner counts as dead."""
    found = lives(range(0, 71, 10), [Sign("a")] * 8)
    assert [*found] == [Life.ALIVE] * 3 + [Life.SILENT] * 3 + [Life.DEAD] * 2


def test_a_heartbeat_begins_it_anew() -> None:
    """Whatever it is that has changed: what it says of times is compared with nothing."""
    signs = [Sign(9), Sign(9), Sign(9), Sign(9), Sign(1), Sign(1), Sign(1)]
    assert [*lives(range(0, 70, 10), signs)][-4:] == [Life.SILENT] + [Life.ALIVE] * 3


def test_a_heartbeat_that_was_seen_is_known() -> None:
    """At the first look nobody knows whether the owner is still there."""
    leases = Leases(LEASE_S)
    looks = [leases.look("owner", Sign(token)) for token in (1, 1, 2, 2)]
    assert [look.beats for look in looks] == [False, False, True, True]


def test_who_has_not_looked_for_long_judges_nobody_at_once() -> None:
    """All were stopped together, as machines are: the others have to be heard first."""
    moments = [0, 10, 20, 8000, 8000.5, 8010, 8025, 8030]
    found = [*lives(moments, [Sign("a")] * 8)]
    assert found[3] is Life.SILENT
    assert found[4:6] == [Life.SILENT] * 2
    assert found[-1] is Life.DEAD


def test_who_asks_for_time_has_it_from_its_last_heartbeat_on() -> None:
    """And again no more than its lease, when it shows a sign that asks for none."""
    asks, plain = Sign("a", extended=100.0), Sign("b")
    moments = [*range(0, 111, 10), *range(120, 191, 10)]
    found = [*lives(moments, [asks] * 12 + [plain] * 8)]
    assert found.index(Life.DEAD) == 10
    assert found[12:].index(Life.DEAD) == 6


def test_nobody_is_quicker_than_an_owner_beats() -> None:
    """Two programs may have been told different leases."""
    found = [*lives(range(21), [Sign("a", heartbeat=5.0)] * 21, lease=2.0)]
    assert found.index(Life.DEAD) == 15


def test_a_clock_that_counts_suspension_goes_on() -> None:
    """Its zero is anywhere."""
    assert boottime() <= boottime()


@pytest.mark.parametrize(
    ("lease", "said", "heartbeat"), [(60, None, 5), (600, None, 5), (6, None, 0.5), (6, 2, 2)]
)
def test_heartbeats_suit_the_lease(lease: float, said: float | None, heartbeat: float) -> None:
    """A twelfth of it, and never more than five seconds, where nobody says how often."""
    assert heartbeat_of(lease, said) == heartbeat


def test_a_lease_of_less_than_three_heartbeats_is_refused() -> None:
    """One that comes late would be a death."""
    with pytest.raises(ValueError, match=r"lease=6 is too short for heartbeat=2\.5: a"):
        heartbeat_of(6, 2.5)


@pytest.mark.parametrize(("said", "seconds"), [(1, 1), (0.5, 0.5), ("10min", 600), ("1 d", 86400)])
def test_times_are_asked_for_as_elsewhere(said: Any, seconds: float) -> None:
    """Seconds, or a text with a unit."""
    assert extension_of(said) == seconds


@pytest.mark.parametrize(
    "said", [0, -1, math.inf, math.nan, True, None, "", "10m", "25h", "2 d", 10**400, []]
)
def test_what_is_no_time_to_ask_for_is_refused(said: Any) -> None:
    """In one sentence, with the bounds."""
    with pytest.raises(UsageError, match=r"extend\(seconds\)=.* from 0\.001 s to a day"):
        extension_of(said)
