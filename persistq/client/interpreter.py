"""The options with which the broker's interpreter is started: those of this one that matter there.

A user who starts Python isolated, or without its site, means that nothing of the surroundings is
imported. That holds for the broker too, which has the same rights.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import msgspec

_X_OPTIONS: Final = ("utf8", "pycache_prefix", "frozen_modules")
"""How text is read, and where code comes from; all others are about the user's own code."""

_FLAGS: Final = (
    ("-E", "ignore_environment"),
    ("-s", "no_user_site"),
    ("-S", "no_site"),
    ("-B", "dont_write_bytecode"),
)


def options() -> list[str]:
    """Return the options for a broker's interpreter.

    ``-P`` is always among them: it keeps the script's directory off the broker's path, where a
    user's queue.py would shadow the standard library. Warnings are no matter of the broker's: made
    errors, they would end it.
    """
    flags = [option for option, name in _FLAGS if getattr(sys.flags, name)]
    if sys.flags.isolated:
        flags = ["-I", *(flag for flag in flags if flag not in {"-E", "-s"})]
    return [*flags, "-P", *_x_options()]


def places() -> list[bytes]:
    """Return where the broker finds what it imports, if its own path does not lead there.

    As bytes, which mean the same directories whatever the locale.

    persistq may come from a checkout, and without a site nothing installed is found.
    """
    found = (Path(__file__).resolve().parents[2], Path(msgspec.__file__).resolve().parents[1])
    return list(dict.fromkeys(map(os.fsencode, found)))


def _x_options() -> list[str]:
    said = sys._xoptions  # noqa: SLF001 - documented, and the only place that tells them
    given = {name: said[name] for name in _X_OPTIONS if name in said}
    words = (name if value is True else f"{name}={value}" for name, value in given.items())
    return [argument for word in words for argument in ("-X", word)]
