"""For tests of programs that use persistq, and of whoever implements its journal or its queue.

`check_journal` proves that a journal does not contradict itself. `check_journal_contract` and
`check_queue_contract` prove that an implementation does what its contract says; the checks that
they consist of are at hand one by one, for test runners that show each.

Example:
    >>> import pytest                                           # doctest: +SKIP
    >>> @pytest.mark.parametrize("check", journal_contract_checks(), ids=str)
    ... def test_journal_contract(check):
    ...     check(make_journal)
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False

if TYPE_CHECKING:
    from persistq.journal.soundness import check_journal
    from persistq.testing.contract import Check, ContractBroken
    from persistq.testing.journals import check_journal_contract, journal_contract_checks
    from persistq.testing.queues import (
        check_queue_contract,
        joinable_contract_checks,
        queue_contract_checks,
    )

_HOMES = {
    "Check": "persistq.testing.contract",
    "ContractBroken": "persistq.testing.contract",
    "check_journal": "persistq.journal.soundness",
    "check_journal_contract": "persistq.testing.journals",
    "check_queue_contract": "persistq.testing.queues",
    "joinable_contract_checks": "persistq.testing.queues",
    "journal_contract_checks": "persistq.testing.journals",
    "queue_contract_checks": "persistq.testing.queues",
}

__all__ = [
    "Check",
    "ContractBroken",
    "check_journal",
    "check_journal_contract",
    "check_queue_contract",
    "joinable_contract_checks",
    "journal_contract_checks",
    "queue_contract_checks",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'persistq.testing' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
