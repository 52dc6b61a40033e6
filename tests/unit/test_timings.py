"""Histograms of durations."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistq.broker.timing import Slowest
from persistq.timings import BOUNDS, SHORTEST_S, SlowItem, bounds_of, counted, quantile, together

DURATIONS = st.lists(st.floats(0, 1e6), min_size=1, max_size=200)


@given(DURATIONS)
def test_each_duration_is_in_the_bucket_with_its_bounds(seconds: list[float]) -> None:
    """And all are counted."""
    counts = counted(seconds)
    assert sum(counts.values()) == len(seconds)
    for one in seconds:
        [bucket] = counted([one])
        low, high = bounds_of(bucket)
        assert low <= one
        assert one < high or bucket == len(BOUNDS)
        assert counts[bucket] >= 1


@given(DURATIONS, st.floats(0.01, 1))
def test_a_quantile_is_within_half_an_octave(seconds: list[float], share: float) -> None:
    """Below that share of durations there are none that are much longer, and above none shorter."""
    found = quantile(counted(seconds), share)
    exact = sorted(seconds)[max(0, math.ceil(len(seconds) * share) - 1)]
    longest = BOUNDS[-1]
    assert found <= max(SHORTEST_S, min(exact, longest) * 2**0.5 * 1.0001)
    assert found >= min(exact, longest) / 2**0.5 / 1.0001 or exact < SHORTEST_S


def test_no_durations_have_no_quantile() -> None:
    """Nothing is nothing."""
    assert quantile({}, 0.5) == 0.0


def test_histograms_are_added() -> None:
    """Those of several runs are one."""
    assert together([{0: 2, 5: 1}, Counter({5: 3})]) == {0: 2, 5: 4}


def test_very_short_durations_are_one_bucket() -> None:
    """There are millions of them."""
    assert counted([0.0, 1e-7, 9e-6]) == {0: 3}
    assert counted([SHORTEST_S]) == {1: 1}


@given(
    st.lists(st.tuples(st.integers(1, 50), st.floats(1, 100)), unique_by=lambda pair: pair[0]),
    st.integers(0, 10),
)
def test_the_slowest_are_kept(items: list[tuple[int, float]], most: int) -> None:
    """As many as are wanted, whatever the order in which they come."""
    slowest, kept = Slowest(most), set()
    for item_id, seconds in items:
        left_out = slowest.add(SlowItem(item_id, seconds))
        kept.add(item_id)
        kept.discard(left_out)
    ordered = sorted(((seconds, item_id) for item_id, seconds in items), reverse=True)
    assert kept == {item_id for _, item_id in ordered[:most]}


@pytest.mark.parametrize("most", [0, 2])
def test_an_item_is_kept_once(most: int) -> None:
    """One that is done again after a retry by hand is known already."""
    slowest = Slowest(most)
    slowest.add(SlowItem(1, 5.0))
    assert slowest.add(SlowItem(1, 7.0)) == 1
