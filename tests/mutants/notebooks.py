"""Bugs planted in what a session at a keyboard, or a notebook, is told."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

REFUSED = (
    "tests/pipeline/test_sessions.py::"
    "test_a_function_of_the_session_is_refused_where_no_process_finds_it"
)

MUTANTS = [
    Mutant(
        "shows a notebook what ends its terminal",
        "persistq/errors.py",
        'f"persistq: {printable(line)}"',
        'f"persistq: {line}"',
        ("tests/unit/test_errors.py::test_a_notebook_gets_nothing_that_moves_a_cursor",),
    ),
    Mutant(
        "starts a pipeline whose functions no process finds",
        "persistq/pipeline/opening.py",
        "        require_no_session(definition.called, settings.start_method)\n",
        "        pass\n",
        (f"{REFUSED}[handler-work-work-spawn]",),
    ),
    Mutant(
        "looks at handlers alone for what no process finds",
        "persistq/pipeline/definition.py",
        "[*sources, *handlers, *([] if self.context is None else [self.context.function])]",
        "handlers",
        (f"{REFUSED}[source-numbers-numbers-spawn]",),
    ),
]
