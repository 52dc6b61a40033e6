"""What ``persistq run`` is asked to run, and how it is found."""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from persistq.errors import UsageError
from persistq.origin import current_directory

if TYPE_CHECKING:
    from types import ModuleType

    from persistq.pipeline import Pipeline

_SCRIPT_AND_NAME: Final = re.compile(r"(?P<script>.+\.py):(?P<name>\w+)")
_MODULE_AND_NAME: Final = re.compile(r"(?P<module>\w+(\.\w+)*):(?P<name>\w+)")


@dataclass(frozen=True, slots=True)
class Target:
    """One of ``module:name``, ``path/to/script.py`` and ``path/to/script.py:name``.

    Attributes:
        text: As it was typed.
        script: Path of the script, as it was typed, or None.
        module: Dotted name of the module, or empty.
        name: Name of the pipeline in it, or empty.
    """

    text: str
    script: Path | None = None
    module: str = ""
    name: str = ""


def parse_target(text: str) -> Target:
    """Understand what was typed.

    Raises:
        UsageError: It has none of the three forms, or there is no such script.
    """
    if found := _SCRIPT_AND_NAME.fullmatch(text):
        return Target(text, script=_existing(found["script"]), name=found["name"])
    if text.endswith(".py") or Path(text).is_file():
        return Target(text, script=_existing(text))
    if found := _MODULE_AND_NAME.fullmatch(text):
        return Target(text, module=found["module"], name=found["name"])
    forms = "module:name, path/to/script.py or path/to/script.py:name"
    raise UsageError(f"{text!r} is nothing to run: give {forms}")


def _existing(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise UsageError(f"there is no script {text} in {current_directory()}")
    return path


def pipeline_of(target: Target) -> Pipeline:
    """Import the module or script of a target, and return the pipeline it names.

    Raises:
        UsageError: There is no such module, no such name in it, or it is no pipeline.
    """
    from persistq.pickles import run_target
    from persistq.pipeline import Pipeline

    module = _by_stem(target.script) if target.script is not None else _by_name(target.module)
    pipeline = getattr(module, target.name, None)
    if isinstance(pipeline, Pipeline):
        # The same module would be the main one if Python were told to run it.
        run_target(module.__name__)
        return pipeline
    what = f"a {type(pipeline).__name__}" if hasattr(module, target.name) else "not there"
    names = ", ".join(pipelines_in(vars(module))) or "none"
    raise UsageError(f"{target.text}: {target.name!r} is {what}; the pipelines there are: {names}")


def pipelines_in(names: dict[str, object]) -> dict[str, Pipeline]:
    """Return the pipelines among a module's globals by name, each once."""
    from persistq.pipeline import Pipeline

    found = {name: value for name, value in names.items() if isinstance(value, Pipeline)}
    return {name: value for name, value in found.items() if _first_name(found, value) == name}


def _first_name(found: dict[str, Pipeline], pipeline: Pipeline) -> str:
    return next(name for name, value in found.items() if value is pipeline)


def _by_name(module: str) -> ModuleType:
    put_first_on_path(current_directory())
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A module that is missing inside the program is the program's error, with its traceback.
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise UsageError(
            f"there is no module {error.name!r}: sys.path begins with the current directory, "
            f"{current_directory()}; go to the directory that holds it, name it in PYTHONPATH, "
            "or give the path, as in path/to/script.py:name"
        ) from None


def _by_stem(script: Path) -> ModuleType:
    """Import a script by its file's name, as spawned children will."""
    resolved = script.resolve()
    if "." in script.stem:
        raise UsageError(
            f"{script} cannot be imported: rename it, without the dot in {script.stem}"
        )
    put_first_on_path(resolved.parent)
    module = importlib.import_module(resolved.stem)
    if Path(module.__file__ or "").resolve() != resolved:
        raise UsageError(f"{script} has the name of a module of Python, {module!r}: rename it")
    return module


def put_first_on_path(directory: Path) -> None:
    """Let imports look in a directory first, and no longer beside the command's own script."""
    own = str(Path(sys.argv[0]).resolve().parent)
    if sys.path[0] == own:
        del sys.path[0]
    sys.path.insert(0, str(directory))
