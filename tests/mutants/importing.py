"""Bugs planted in what takes over the files of other queues."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

PYMPX = "tests/cli/test_import_pympx.py::"

MUTANTS = [
    Mutant(
        "completes all equal messages by one completion",
        "persistq/imports/pympx.py",
        "        completed[line] -= found.done[-1]\n",
        "        pass\n",
        (f"{PYMPX}test_the_difference_is_outstanding",),
    ),
    Mutant(
        "takes half a line for a message",
        "persistq/imports/pympx.py",
        '        *whole, torn = path.read_bytes().split(b"\\n")\n',
        '        whole = path.read_bytes().split(b"\\n")\n        torn = b""\n',
        (f"{PYMPX}test_the_difference_is_outstanding",),
    ),
    Mutant(
        "records an imported load bit by bit",
        "persistq/broker/beginning.py",
        "        with journal.together():\n            return _record",
        "        if True:\n            return _record",
        (f"{PYMPX}test_nothing_is_recorded_if_it_is_killed",),
    ),
]
