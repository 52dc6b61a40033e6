"""Another interpreter for the broker, without a hook in the code that starts it."""

from __future__ import annotations

import sys
from typing import Any


class OtherPython:
    """Stands for ``sys`` where the broker is started, and names another interpreter.

    Args:
        executable: The interpreter, or what behaves like one.
    """

    def __init__(self, executable: str) -> None:
        self.executable = executable

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)
