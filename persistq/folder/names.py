"""Names of files in a folder: which are items, and what a second one of a name is called."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from itertools import chain
from typing import Final

from persistq.errors import UsageError

PAUSE: Final = "PAUSE"
"""While a file of this name lies in a folder, nobody claims anything."""

HELO: Final = ".helo"
DONE: Final = ".done"
FAILED: Final = ".failed"

WHY: Final = ".why.json"
"""Ends the name of the reason beside a file that is parked. It names no item: if that were parked,
the reason of another one would replace it."""

BYTES_MAX: Final = 200
"""Longest name of an item, in bytes: what is written before and behind it has to fit too."""

_PRODUCER: Final = re.compile(r"[^./\0][^./\0]{0,99}")
_COPY: Final = re.compile(r"\A([^.]+)~(?:[2-9]|[0-9a-f]{8})(?=\.|\Z)")


def control_of(name: str) -> tuple[str, str]:
    """Return the producer and the kind that a control file's name says; two empty texts if none."""
    stem, dot, kind = name.rpartition(".")
    is_one = dot + kind in (HELO, DONE, FAILED) and _PRODUCER.fullmatch(stem)
    return (stem, dot + kind) if is_one else ("", "")


def is_item(name: str) -> bool:
    """Return whether a file of this name may be an item: not hidden, no control file, no reason."""
    is_hidden = name.startswith(".") or name.endswith(WHY)
    return not is_hidden and name != PAUSE and not control_of(name)[0]


def fits(name: str) -> bool:
    """Return whether a name is short enough to be moved about."""
    try:
        return len(os.fsencode(name)) <= BYTES_MAX
    except UnicodeEncodeError:
        return False


def require_item_name(name: str) -> None:
    """Refuse what cannot name an item.

    Raises:
        UsageError: It is a path, hidden, too long, or the name of a control file.
    """
    if not name or "/" in name or "\0" in name or not is_item(name) or not fits(name):
        raise UsageError(
            f"{name!r} cannot name an item of a folder: use a plain file name of at most "
            f"{BYTES_MAX} bytes that does not begin with a dot, is not {PAUSE}, and does not end "
            f"in {WHY}, nor in {HELO}, {DONE} or {FAILED} behind a single word"
        )


def require_producer_name(name: str) -> None:
    """Refuse what cannot name a producer.

    Raises:
        UsageError: It is empty, too long, or has a dot or a slash in it.
    """
    if not isinstance(name, str) or not _PRODUCER.fullmatch(name):
        raise UsageError(
            f"producer={name!r} is refused: give a text of at most 100 characters without "
            "dots and slashes"
        )


def candidates(name: str) -> Iterator[str]:
    """Yield a name, and without end others for the case that it is taken."""
    some = (another(original(name), str(number)) for number in range(2, 10))
    return chain([name], some, iter(lambda: unique(name), None))


def unique(name: str) -> str:
    """Return another name that nobody has."""
    return another(original(name), secrets.token_hex(4))


def another(name: str, mark: str) -> str:
    """Return a name with a mark in front of its first dot, so that it ends as it did."""
    stem, dot, rest = name.partition(".")
    return f"{stem}~{mark}{dot}{rest}"


def original(name: str) -> str:
    """Return the name that a marked one was made from; any other is returned as it is."""
    return _COPY.sub(r"\1", name, count=1)
