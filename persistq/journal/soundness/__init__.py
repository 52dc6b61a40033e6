"""Proof that a journal does not contradict itself; public as `persistq.testing.check_journal`.

What a sound journal is, is written down in ``docs/journal.md``, "What always holds". Each chapter
of that list has a module here.
"""

from persistq.journal.soundness.inspection import Inspection, check_journal, inspect_journal

__all__ = ["Inspection", "check_journal", "inspect_journal"]
