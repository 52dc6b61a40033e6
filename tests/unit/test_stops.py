"""Orders to stop: given by anybody, taken by who waits."""

from __future__ import annotations

import os
import select

from persistq import forking
from persistq.pool.stops import Stop, Stops


def is_ready(stops: Stops) -> bool:
    """Return whether who waits for orders would wake up."""
    return bool(select.select([stops], [], [], 0)[0])


def test_who_waits_is_woken_until_the_orders_are_taken() -> None:
    """They come in their order, each once."""
    stops = Stops()
    assert not is_ready(stops)
    first, second = Stop("SIGTERM", 15), Stop("stop()", grace=5)
    stops.order(first)
    stops.order(second)
    assert is_ready(stops)
    assert stops
    assert stops.take() == [first, second]
    assert not is_ready(stops)
    assert not stops
    assert stops.take() == []


def test_so_many_orders_may_come_that_no_byte_fits() -> None:
    """Whoever gives one never blocks, because it may be a signal handler."""
    stops = Stops()
    for _ in range(100_000):
        stops.order(Stop("stop()"))
    assert is_ready(stops)
    assert len(stops.take()) == 100_000


def test_a_forked_child_may_start_processes() -> None:
    """Whichever thread of the parent was about to start one."""
    with forking.starting:
        child = os.fork()
        if not child:
            os._exit(0 if forking.starting.acquire(timeout=1) else 1)
    assert os.waitpid(child, 0)[1] == 0
