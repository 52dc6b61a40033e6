"""A queue on a journal keeps the contract of queues, and that of `multiprocessing` with it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from persistq import PersistentQueue
from persistq.testing import Check, joinable_contract_checks, queue_contract_checks


@pytest.mark.parametrize("check", queue_contract_checks(), ids=str)
def test_queue_contract(check: Check[Any], journal_dir: Path) -> None:
    """Each rule holds for `PersistentQueue`."""

    @contextmanager
    def make() -> Iterator[Callable[..., Any]]:
        yield partial(PersistentQueue, "work")

    check(make)


@pytest.mark.parametrize("check", joinable_contract_checks(), ids=str)
def test_joinable_contract(check: Check[Any]) -> None:
    """What is said of `multiprocessing.JoinableQueue` is true of it."""

    @contextmanager
    def make() -> Iterator[Callable[..., Any]]:
        yield multiprocessing.get_context("fork").JoinableQueue

    check(make)
