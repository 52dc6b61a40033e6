"""The contract of a queue: what `persistq.PersistentQueue` promises, as checks.

Each module here has the checks of one subject.
"""

from __future__ import annotations

from typing import Final

from persistq.testing.contract import Check, Making, run_checks
from persistq.testing.queues import (
    children,
    endings,
    joinable,
    resuming,
    retrying,
    settling,
)
from persistq.testing.queues.interface import OpenQueue

_SUBJECTS: Final = (joinable, settling, retrying, endings, children, resuming)


def joinable_contract_checks() -> list[Check[OpenQueue]]:
    """Return the checks that `multiprocessing.JoinableQueue` passes as well."""
    return joinable.RULES.checks()


def queue_contract_checks() -> list[Check[OpenQueue]]:
    """Return the checks of a queue's contract, to run them one by one.

    Each is called with ``make``, as `check_queue_contract` is, and raises `ContractBroken`. Its
    text is its name, which suits ``ids=str`` of pytest.
    """
    return [check for subject in _SUBJECTS for check in subject.RULES.checks()]


def check_queue_contract(make: Making[OpenQueue]) -> None:
    """Prove that a queue does what `persistq.PersistentQueue` promises.

    Every check has a queue of its own. Queues are handed to child processes under each start method
    that this machine has, and some of these are killed. So a script that calls this is guarded with
    ``if __name__ == "__main__":``, as for all of multiprocessing.

    Example:
        >>> @contextmanager                                         # doctest: +SKIP
        ... def make():
        ...     with TemporaryDirectory() as directory:
        ...         yield partial(PersistentQueue, "work", journal=directory)
        >>> check_queue_contract(make)                              # doctest: +SKIP

    Args:
        make: Returns a context manager for one new place; entered, it gives a function that opens
            the queue of this place, with the arguments of `interface.OpenQueue`. While the queue is
            open, opening it again gives another object of the same queue; when all were released,
            or their process was killed, it is what the next run of a program gets.

    Raises:
        ContractBroken: Some checks do not hold; the text names each, says what should hold, and
            what was found.
    """
    run_checks(queue_contract_checks(), make)
