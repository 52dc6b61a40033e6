"""What a browser posts: a form, of bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from persistq.errors import UsageError

if TYPE_CHECKING:
    from starlette.requests import Request

BYTES_MAX: Final = 1 << 20
"""Bytes of the largest form."""

_FIELDS_MAX: Final = 20
_TYPE: Final = "application/x-www-form-urlencoded"


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form that was posted.

    Raises:
        UsageError: It is no form, or too large.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise UsageError("this is no form, and nothing was changed")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BYTES_MAX:
            raise UsageError(f"a form has {BYTES_MAX:,} bytes at most, and nothing was changed")
    try:
        fields = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MAX
        )
    except ValueError:
        raise UsageError("this form cannot be read, and nothing was changed") from None
    return dict(fields)
