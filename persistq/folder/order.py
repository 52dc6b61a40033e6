"""In which order the files that lie in a folder are claimed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from persistq.text.streams import say
from persistq.text.terminal import printable, text_of

OrderOption = Callable[[Path], Any]
"""What ``order=`` takes: a function of the path of a file that waits, which gives its key."""


def by_name(path: Path) -> bytes:
    """Order by name, byte by byte; so it is without ``order=`` too."""
    return os.fsencode(path.name)


def oldest(path: Path) -> int:
    """Order by time of the last change, the oldest first."""
    return path.stat().st_mtime_ns


def largest(path: Path) -> int:
    """Order by size, the largest first."""
    return -path.stat().st_size


class Order:
    """Sorts names by the keys of a function; those without a key come last, and are told once.

    Args:
        option: The function; None is `by_name`.
        directory: Where the files are.
    """

    def __init__(self, option: OrderOption | None, directory: Path) -> None:
        self._option = option
        self._directory = directory
        self._told: set[str] = set()

    def sorted(self, names: Iterable[str]) -> list[str]:
        """Return names in order; equal keys are in the order of the names."""
        ordered = sorted(names, key=os.fsencode)
        if self._option is None or self._option is by_name:
            return ordered
        keyed = [(self._key(name), name) for name in ordered]
        try:
            found = sorted((one for one in keyed if one[0] is not None), key=lambda one: one[0])
        except TypeError as error:
            self._tell("", f"its keys cannot be compared: {text_of(error)}")
            return ordered
        return [name for _, name in found] + [name for key, name in keyed if key is None]

    def _key(self, name: str) -> Any:
        assert self._option is not None, "names have keys"
        try:
            key = self._option(self._directory / name)
        except FileNotFoundError:
            # Somebody else has claimed it.
            return None
        except Exception as error:  # noqa: BLE001 - it is the user's function
            self._tell(name, f"order= raised {type(error).__name__}: {text_of(error)}")
            return None
        if key is None:
            self._tell(name, "order= gives no key for it")
        return key

    def _tell(self, name: str, what: str) -> None:
        if name not in self._told:
            self._told.add(name)
            where = f"{self._directory / name}" if name else f"{self._directory}"
            say(f"persistq: {printable(f'{where}: {what}')}; it comes last")
