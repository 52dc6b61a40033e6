"""What waits for company, and what is sent with what."""

from __future__ import annotations

import threading
import time

import pytest

from persistq.blocks import Block, block_of
from persistq.client.outbox import Outbox


@pytest.fixture
def outbox() -> Outbox:
    """An outbox that has just sent something, and sends nothing by itself."""
    made = Outbox(lambda: None, threading.RLock())
    made._sent_at = time.monotonic() + 3600
    made._late = threading.current_thread()
    return made


def numbers(*values: int) -> Block:
    """Return a block of numbers."""
    return block_of(0, [b"%d" % value for value in values])


def test_a_cursor_is_sent_with_what_was_put_up_to_it(outbox: Outbox) -> None:
    """What follows goes by itself: the source has not said how far it has come with that."""
    outbox.add(0, b"1")
    outbox.add(0, b"2", numbers(20))
    outbox.add(0, b"3", numbers(30))
    outbox.add(0, b"4")
    assert outbox.take() == ([numbers(1, 2, 3)], numbers(30))
    assert outbox.take() == ([numbers(4)], None)
    assert not outbox.waiting


def test_all_that_waits_is_sent_without_a_cursor(outbox: Outbox) -> None:
    """As few blocks as there can be."""
    for value in range(3):
        outbox.add(0, b"%d" % value)
    assert outbox.take() == ([numbers(0, 1, 2)], None)


def test_what_is_forgotten_takes_its_cursor_with_it(outbox: Outbox) -> None:
    """A cursor without its items would skip them."""
    outbox.add(0, b"1", numbers(10))
    outbox.clear()
    outbox.add(0, b"2")
    assert outbox.take() == ([numbers(2)], None)
