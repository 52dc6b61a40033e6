"""A file system whose answers are lost now and then, as those of a server on a network are.

What is asked is done, and asked again, as a client does that has heard nothing: the second answer
is the one that counts. ``begin`` also takes renames that replace nothing away, as NFS has none.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from typing import Any

from persistq.folder import renames

_ASKED_AGAIN = ("rename", "link", "unlink", "mkdir", "rmdir", "replace")


def begin(share: float) -> None:
    """Lose this share of answers in this process from now on; 0 changes nothing.

    Args:
        share: Between 0 and 1.
    """
    if not share:
        return
    renames._system_call = lambda: _refuse  # type: ignore[assignment]
    for name in _ASKED_AGAIN:
        setattr(os, name, _asked_again(getattr(os, name), share))


def _refuse(source: bytes, target: bytes) -> int:
    import ctypes

    ctypes.set_errno(errno.EINVAL)
    return -1


def _asked_again(call: Callable[..., Any], share: float) -> Callable[..., Any]:
    def asked(*args: Any, **options: Any) -> Any:
        answer = call(*args, **options)
        if random.random() < share:
            return call(*args, **options)
        return answer

    return asked
