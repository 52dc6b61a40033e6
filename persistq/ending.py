"""How a program ends that does not catch an error of persistq: in one sentence, with its exit code.

Errors stay errors: they can be caught, and cross event loops, threads and test frameworks like any
other. Only what nobody has caught, at the end of the main program, is turned into an exit.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeGuard

from persistq.errors import PersistqError
from persistq.text.streams import say
from persistq.text.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    Hook = Callable[[type[BaseException], BaseException, TracebackType | None], object]


def install() -> None:
    """Have the interpreter end a program by the exit code of an uncaught error of persistq.

    Instead of a traceback its sentence is shown, unless the user has read it already. Everything
    else is left to the hook that was there before, and so are sessions at a keyboard, which an exit
    would end. Safe to call again; worth it, because other hooks may have come meanwhile.
    """
    if not isinstance(sys.excepthook, _Ending):
        sys.excepthook = _Ending(sys.excepthook)


class _Ending:
    def __init__(self, before: Hook) -> None:
        self._before = before

    def __call__(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if not has_sentence(error) or _interactive():
            self._before(kind, error, trace)
            return
        tell(error)
        # The interpreter takes an exit from its hook as the exit of the program.
        sys.exit(error.exit_code)


def has_sentence(error: BaseException) -> TypeGuard[PersistqError]:
    """Return whether an error says all there is to say; others need the line that caused them."""
    return isinstance(error, PersistqError) and error.exit_code != PersistqError.exit_code


def tell(error: PersistqError) -> None:
    """Show an error's sentence on standard error, if there is one and the user has not read it."""
    for line in () if error.told else str(error).splitlines():
        say(f"persistq: {printable(line)}")


def _interactive() -> bool:
    return hasattr(sys, "ps1") or bool(sys.flags.interactive or sys.flags.inspect)
