"""A text in the user's editor; what was typed is not lost if it cannot be used."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING, Self, TypeVar

import click

from persistq.cli.output import note
from persistq.errors import UsageError
from persistq.text.terminal import quoted

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

Value = TypeVar("Value")


class Draft:
    """A text that is edited in a file that only its user can read; use it in a ``with`` block.

    The file is removed at the end of the block, unless that raises and the text was changed: then
    it is said where it is.

    Args:
        text: What is in it first.
        suffix: How its name ends, by which editors tell its language.
    """

    def __init__(self, text: str, suffix: str) -> None:
        self._text = text.encode()
        number, name = mkstemp(prefix="persistq-", suffix=suffix)
        self._path = Path(name)
        with os.fdopen(number, "wb") as file:
            file.write(self._text)

    def edited(self, understood: Callable[[bytes], Value]) -> Value:
        """Let the user edit the text until it is understood, or given up.

        Args:
            understood: Returns what a text means; raises `UsageError` if it means nothing.

        Raises:
            UsageError: There is no editor, it failed, or the text means nothing.
        """
        while True:
            self._open()
            try:
                return understood(self._path.read_bytes())
            except UsageError as error:
                if not (sys.stdin.isatty() and self._opens_again(error)):
                    raise

    def _opens_again(self, error: UsageError) -> bool:
        return click.confirm(f"persistq: {error}; open it again?", default=True, err=True)

    def _open(self) -> None:
        if not (sys.stdin.isatty() or os.environ.get("VISUAL") or os.environ.get("EDITOR")):
            raise UsageError("there is no terminal for an editor: give --set or --file")
        try:
            click.edit(filename=str(self._path))
        except click.ClickException as error:
            raise UsageError(f"nothing was changed: {error.message}") from None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        """Remove the file, or say where it is."""
        if kind is not None and self._path.read_bytes() != self._text:
            note(f"what you typed is kept: persistq edit ITEM --file {quoted(str(self._path))}")
        else:
            self._path.unlink()
