"""What a source has raised, on its way to the program that runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from persistq.pickles import OwnModules, pickled, unpickled

if TYPE_CHECKING:
    from collections.abc import Iterable

BYTES_MAX: Final = 1 << 20
"""What is larger is told as text alone, as what cannot be pickled is."""

_RAISED: Final = b"^"


def raised(error: BaseException, own: OwnModules) -> bytes:
    """Return an error as a source tells its supervisor, beside its words; empty if it cannot."""
    try:
        pickle, _ = pickled(error, own)
    except Exception:  # noqa: BLE001 - its own code runs here
        return b""
    return _RAISED + pickle if len(pickle) <= BYTES_MAX else b""


def raised_in(words: Iterable[bytes]) -> bytes:
    """Return what a source has told of an error; empty if it has told of none."""
    return next((word for word in words if word.startswith(_RAISED)), b"")


def error_in(told: bytes, own: OwnModules) -> BaseException | None:
    """Return the error that was told; None if there is none, or it cannot be made again here."""
    try:
        error = unpickled(told.removeprefix(_RAISED), own) if told else None
    except Exception:  # noqa: BLE001 - as above
        return None
    return error if isinstance(error, BaseException) else None
