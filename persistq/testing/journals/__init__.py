"""The contract of a journal: what `persistq.journal.base.Journal` promises, as checks.

Each module here has the checks of one subject. All of them change a journal through `Feed`.
"""

from __future__ import annotations

from typing import Final

from persistq.testing.contract import Check, Making, run_checks
from persistq.testing.journals import (
    attempts,
    blocks,
    byhand,
    checkpoints,
    cursors,
    delays,
    loads,
    logs,
    naturalkeys,
    owners,
    pages,
    parking,
    printing,
    purging,
    sources,
    spools,
    stages,
    times,
)
from persistq.testing.journals.place import OpenJournal

_SUBJECTS: Final = (
    loads,
    stages,
    logs,
    blocks,
    cursors,
    checkpoints,
    sources,
    pages,
    parking,
    byhand,
    attempts,
    delays,
    printing,
    times,
    spools,
    naturalkeys,
    purging,
    owners,
)


def journal_contract_checks() -> list[Check[OpenJournal]]:
    """Return the checks of a journal's contract, to run them one by one.

    Each is called with ``make``, as `check_journal_contract` is, and raises `ContractBroken`. Its
    text is its name, which suits ``ids=str`` of pytest.
    """
    return [check for subject in _SUBJECTS for check in subject.RULES.checks()]


def check_journal_contract(make: Making[OpenJournal]) -> None:
    """Prove that an implementation of `persistq.journal.base.Journal` keeps its contract.

    Every check has a journal of its own, and opens it more than once; some of them do so in a
    process that they fork and kill.

    Example:
        >>> @contextmanager                                         # doctest: +SKIP
        ... def make():
        ...     with TemporaryDirectory() as directory:
        ...         yield lambda: MyJournal(directory)
        >>> check_journal_contract(make)                            # doctest: +SKIP

    Args:
        make: Returns a context manager for one new place; entered, it gives a function without
            arguments that opens the journal of this place, and makes it at the first time.

    Raises:
        ContractBroken: Some checks do not hold; the text names each, says what should hold, and
            what was found.
    """
    run_checks(journal_contract_checks(), make)
