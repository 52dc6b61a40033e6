"""The command ``persistq``: one module for each group of commands, loaded when it is typed.

Nothing is imported here: worker processes that are spawned import this module again.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line, and exit with its code."""
    from persistq.cli.program import program

    program.main(prog_name="persistq")
