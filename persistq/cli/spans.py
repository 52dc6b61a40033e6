"""Durations as they are typed, such as ``26h`` or ``1h30m``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

import click

_FORM: Final = r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?"
_SECONDS: Final = (86_400, 3600, 60, 1)


def span(_ctx: click.Context, _option: click.Parameter, text: str | None) -> timedelta | None:
    """Return the duration that was typed: days, hours, minutes, seconds, the largest first.

    Raises:
        click.BadParameter: It is none.
    """
    if text is None:
        return None
    found = re.fullmatch(_FORM, text, re.ASCII)
    if not text or found is None:
        raise click.BadParameter(f"{text!r} is no duration: give one as 26h, 90m, 2d or 1h30m.")
    pairs = zip(found.groups(), _SECONDS, strict=True)
    try:
        return timedelta(seconds=sum(int(count or 0) * unit for count, unit in pairs))
    except (OverflowError, ValueError):
        raise click.BadParameter(f"{text[:20]!r}... is longer than any load is old.") from None
