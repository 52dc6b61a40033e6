"""Texts of the operating system: arguments, paths, environment variables.

For the system they are bytes. Python decodes them by the locale, and what does not fit becomes lone
surrogates; so the same path is another text under another locale. In the journal, and on the way to
the broker, they are *portable*: decoded as UTF-8 whatever the locale is.
"""

from __future__ import annotations

import os


def portable(text: str) -> str:
    """Return a text as Python got it from the system in its portable form."""
    return os.fsencode(text).decode("utf-8", "surrogateescape")


def native(text: str) -> str:
    """Return a portable text as this process's Python has it from the system."""
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))
