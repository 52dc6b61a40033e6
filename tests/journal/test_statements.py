"""The statements as text say what their constructs say."""

from __future__ import annotations

from pathlib import Path

from persistq.journal import compiling, statements


def test_statements_are_compiled_from_the_constructs() -> None:
    """If not: ``python -m persistq.journal.compiling > persistq/journal/statements.py``."""
    assert Path(statements.__file__).read_text() == compiling.module()
