"""``persistq completion``: what a shell needs to complete verbs, names, loads and stages."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

from persistq.cli.output import write_lines

_VARIABLE: Final = "_PERSISTQ_COMPLETE"


@click.command("completion", short_help="Write what your shell needs to complete words.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(*, shell: str) -> None:
    """Write a script that lets SHELL complete verbs, options, and names of loads, stages and items.

    \b
    Have it read by each new shell:
      bash  echo 'eval "$(persistq completion bash)"' >> ~/.bashrc
      zsh   echo 'eval "$(persistq completion zsh)"' >> ~/.zshrc
      fish  persistq completion fish > ~/.config/fish/completions/persistq.fish

    \b
    Example:
      $ persistq completion zsh
    """  # noqa: D301 - \b is click's mark for lines to keep
    from persistq.cli.program import program

    kind = get_completion_class(shell)
    assert kind is not None, "click knows these shells"
    # Its own way of doing this asks bash for its version, which the script does not need.
    writer = kind(program, {}, "persistq", _VARIABLE)
    write_lines((writer.source_template % writer.source_vars()).splitlines())
