"""Pickles that do not depend on how a program was started.

A class of the main script is known to Python as ``__main__.Row``, in spawned processes as
``__mp_main__.Row``, and to who imports the script (``persistq run etl:pipeline``, another script)
as ``etl.Row``. Absorption compares bytes, and a later run has to find the class; so classes and
functions of a program's own modules are stored by what the module is to the program, and not by
its name:

- ``of_pipeline``: the module that makes the pipeline;
- ``of_main``: otherwise, the main module, or the one that ``persistq run`` was told to run.

Whose main module it is, is not stored. The programs of one journal are versions of one program: if
two scripts that put on one queue both have a class ``Row``, each reads the other's rows as its own.
What several scripts share belongs in a module that they import.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import sys
from collections.abc import Callable
from functools import lru_cache, partial, reduce
from importlib import import_module
from types import FunctionType
from typing import Any, Final, NamedTuple, NoReturn

from persistq.promises import is_plain, promised_by

PICKLE_PROTOCOL: Final = 5
"""Fixed, so that equal values have equal bytes whichever Python put them."""

MAIN: Final = "__main__"
_SPAWNED_MAIN: Final = "__mp_main__"

_target = MAIN


def run_target(module: str) -> None:
    """Note that this process is to run a module, and that its own main module is only a starter."""
    global _target  # noqa: PLW0603 - there is one main module in a process
    _target = module


class OwnModules(NamedTuple):
    """The modules that make up a program, by name.

    Attributes:
        pipeline: The one that makes the pipeline; the main module for a plain queue.
        main: The main module.
    """

    pipeline: str
    main: str

    def get(self, role: str, name: str) -> Any:
        """Return what is called so in a module of the program.

        Raises:
            AttributeError: There is nothing of this name.
        """
        module_name = self.pipeline if role == of_pipeline.__name__ else self.main
        module = sys.modules.get(module_name) or import_module(module_name)
        try:
            return reduce(getattr, name.split("."), module)
        except AttributeError:
            where = getattr(module, "__file__", None) or module_name
            raise AttributeError(
                f"it is a {name} of the program that put it, and {where} has no {name}: put it "
                "back, or let programs that share a queue import the class from one module"
            ) from None


@lru_cache(maxsize=64)
def _roles(own: OwnModules) -> dict[str, Callable[[str], NoReturn]]:
    """Return what stands for a module in pickles, by its name; a foreign module is not in it."""
    roles: dict[str, Callable[[str], NoReturn]]
    roles = {own.main: of_main, own.pipeline: of_pipeline}
    return roles | ({_SPAWNED_MAIN: roles[MAIN]} if MAIN in roles else {})


def own_modules(pipeline: str | None = None) -> OwnModules:
    """Return the modules of this process's program.

    Args:
        pipeline: Name of the module that makes the pipeline; None for a plain queue.
    """
    if pipeline in {None, _SPAWNED_MAIN}:
        pipeline = _target if pipeline is None else MAIN
    return OwnModules(str(pipeline), _target)


def of_pipeline(name: str) -> NoReturn:
    """Stand for what is called ``name`` in the module that makes the pipeline."""
    raise LookupError(f"{name} is a name of a program: read this pickle with ItemCodec")


def of_main(name: str) -> NoReturn:
    """Stand for what is called ``name`` in the main module."""
    raise LookupError(f"{name} is a name of a program: read this pickle with ItemCodec")


def pickled(value: Any, own: OwnModules) -> tuple[bytes, bool]:
    """Pickle a value.

    Returns:
        The pickle, and whether `unpickled` is needed to read it because it has names of the
        program.

    Raises:
        Exception: Whatever the value's own code raises; `TypeError` if it is, or has in it, the
            promise of a value.
    """
    kind = type(value)
    # The keys of a dict may be anything; those that JSON takes are not seen here.
    if kind is not dict and is_plain(value, kind):
        return pickle.dumps(value, PICKLE_PROTOCOL), False
    buffer = io.BytesIO()
    pickler = _Pickler(buffer, PICKLE_PROTOCOL)
    pickler.own, pickler.roles = own, _roles(own)
    pickler.dump(value)
    return buffer.getvalue(), pickler.has_own_names


def unpickled(payload: bytes, own: OwnModules) -> Any:
    """Load a pickle that has names of the program.

    Raises:
        Exception: Whatever unpickling raises.
    """
    unpickler = _Unpickler(io.BytesIO(payload))
    unpickler.own = own
    return unpickler.load()


# One of these is made for each item, so they have no constructors of their own.
class _Pickler(pickle.Pickler):
    own: OwnModules
    roles: dict[str, Callable[[str], NoReturn]]
    has_own_names = False

    def reducer_override(self, obj: Any) -> Any:
        kind: Any = type(obj)
        if what := promised_by(kind):
            raise TypeError(f"{what} is the promise of a value: put the value")
        role = self.roles.get(getattr(obj, "__module__", ""))
        if role is None:
            return NotImplemented
        if isinstance(obj, type | FunctionType):
            return self._by_role(role, obj, obj.__qualname__) or NotImplemented
        reduced = _reduced(obj)
        # A text is the name of a global, which the object is.
        by_role = self._by_role(role, obj, reduced) if isinstance(reduced, str) else None
        return by_role or reduced

    def _by_role(self, role: Any, obj: Any, name: str) -> Any:
        """Return how to store an object by its name; None if it is not what has this name."""
        try:
            if self.own.get(role.__name__, name) is not obj:
                return None
        except AttributeError:
            return None
        self.has_own_names = True
        return role, (name,)


def _reduced(obj: Any) -> Any:
    reducer = copyreg.dispatch_table.get(type(obj))
    return obj.__reduce_ex__(PICKLE_PROTOCOL) if reducer is None else reducer(obj)


class _Unpickler(pickle.Unpickler):
    own: OwnModules

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name == __name__:
            return partial(self.own.get, global_name)
        return super().find_class(module_name, global_name)
