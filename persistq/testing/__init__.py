"""For tests of programs that use persistq, and of whoever implements its journal or its queue.

`check_journal` proves that a journal does not contradict itself. `check_journal_contract` proves
that an implementation of journals does what their contract says; `journal_contract_checks` has the
checks that it consists of, for test runners that show each.

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

_HOMES = {
    "Check": "persistq.testing.contract",
    "ContractBroken": "persistq.testing.contract",
    "check_journal": "persistq.journal.soundness",
    "check_journal_contract": "persistq.testing.journals",
    "journal_contract_checks": "persistq.testing.journals",
}

__all__ = [
    "Check",
    "ContractBroken",
    "check_journal",
    "check_journal_contract",
    "journal_contract_checks",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'persistq.testing' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
