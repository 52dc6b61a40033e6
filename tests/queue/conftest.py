"""Start methods, and actors under them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from multiprocessing.context import BaseContext
from typing import Any

import pytest
from actors import Actor

from persistq import PersistentQueue

Caster = Callable[..., Actor]


@pytest.fixture(params=["fork", "spawn", "forkserver"])
def any_context(request: pytest.FixtureRequest) -> BaseContext:
    """Each way in which a process can start."""
    return multiprocessing.get_context(request.param)


@pytest.fixture
def actor(journal_dir: object) -> Iterator[Caster]:
    """Start a process that obeys; it is gone when the test is over."""
    cast: list[Actor] = []

    def start(*queues: Any, context: BaseContext | None = None) -> Actor:
        cast.append(Actor(context or multiprocessing.get_context("fork"), *queues))
        return cast[-1]

    yield start
    for one in cast:
        one.clear()


@pytest.fixture
def kill_broker() -> Callable[[PersistentQueue[Any]], None]:
    """Kill the broker of a queue that this process opened, and wait until it is dead."""

    def kill(queue: PersistentQueue[Any]) -> None:
        broker = queue._presence._leaving.run.broker
        os.kill(broker.pid, signal.SIGKILL)
        broker.wait(30)

    return kill
