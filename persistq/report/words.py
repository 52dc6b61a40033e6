"""Figures in words, as a page has them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_UNITS: Final = ("kB", "MB", "GB")


def count(number: int) -> str:
    """Return a number, such as ``12,345``."""
    return f"{number:,}"


def counted(number: int, one: str, several: str = "") -> str:
    """Return how many of something, such as ``1 run`` or ``2 runs``."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def seconds(span: float) -> str:
    """Return a duration in two or three digits, such as ``318 µs``, ``1.24 s`` or ``2 h 03 m``."""
    if span < 1e-3:
        return f"{_digits(span * 1e6)} µs"
    if span < 1:
        return f"{_digits(span * 1e3)} ms"
    if span < 60:
        return f"{_digits(span)} s"
    minutes = round(span) // 60
    if minutes < 60:
        return f"{minutes} m {round(span) % 60:02} s"
    return f"{minutes // 60:,} h {minutes % 60:02} m"


def rate(per_second: float) -> str:
    """Return a rate, such as ``1,240/s`` or ``0.3/s``."""
    return f"{per_second:,.0f}/s" if per_second >= 100 else f"{_digits(per_second)}/s"


def size(number: float) -> str:
    """Return a size, such as ``12.3 MB``."""
    if number < 1000:
        return f"{number:.0f} B"
    for unit in _UNITS:
        number /= 1000
        if number < 1000:
            return f"{_digits(number)} {unit}"
    return f"{number / 1000:,.1f} TB"


def moment(at: datetime) -> str:
    """Return a moment to the second, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(at: datetime) -> str:
    """Return the time of a moment to the second, in UTC."""
    return at.astimezone(UTC).strftime("%H:%M:%S")


def share(part: float, whole: float) -> str:
    """Return a part in hundredths, such as ``12 %``; nothing is never rounded to all or none."""
    if not whole:
        return "0 %"
    hundredths = 100 * part / whole
    if 0 < hundredths < 1:
        return "< 1 %"
    return "> 99 %" if 99 < hundredths < 100 else f"{hundredths:.0f} %"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
