"""Running a script as Python itself would: as the module ``__main__`` of this process."""

from __future__ import annotations

import builtins
import io
import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import TYPE_CHECKING, Any

from persistq.cli.target import put_first_on_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def run_as_main(script: Path, arguments: Sequence[str]) -> dict[str, Any]:
    """Run a script like ``python script arguments...``.

    `runpy.run_path` would take the module away when the script ends, and then nothing it defines
    could be pickled for a child process, nor could threads it has left behind start one.

    Args:
        script: The script, as it was typed.
        arguments: Its arguments.

    Returns:
        The script's globals when it has come to its end.
    """
    path = str(script.absolute())
    module = ModuleType("__main__")
    loader = SourceFileLoader("__main__", path)
    vars(module).update(__file__=path, __loader__=loader, __builtins__=builtins, __cached__=None)
    put_first_on_path(script.resolve().parent)
    sys.modules["__main__"] = module
    sys.argv[:] = [str(script), *arguments]
    with io.open_code(path) as source:
        code = compile(source.read(), path, "exec", dont_inherit=True)
    exec(code, vars(module))  # noqa: S102 - it is the program that the user asked for
    return vars(module)
