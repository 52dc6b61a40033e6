"""What a process is called in lists of processes, if the extra ``titles`` is installed."""

from __future__ import annotations

import contextlib
import importlib


def entitle(name: str) -> None:
    """Call this process ``persistq: name`` in ``ps`` and ``top``; without setproctitle, nothing."""
    with contextlib.suppress(ImportError):
        importlib.import_module("setproctitle").setproctitle(f"persistq: {name}")
