"""Bugs planted in what reads a journal beside those who work on it."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

BESIDE = "tests/queue/test_reading_beside.py::"

MUTANTS = [
    Mutant(
        "closes a journal that is read in this process as well",
        "persistq/site/descriptors.py",
        "        if is_read := identity in _readers:\n",
        "        if is_read := False:\n",
        (
            f"{BESIDE}test_a_reader_goes_on_when_a_consumer_of_its_process_has_left",
            f"{BESIDE}test_a_descriptor_is_closed_when_the_last_reader_is",
        ),
    ),
]
