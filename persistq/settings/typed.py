"""What a user has typed, for the rest of this process."""

from __future__ import annotations

from typing import Any

values: dict[str, Any] = {}
"""Settings by name."""


def command_line(**given: Any) -> None:
    """Let values that a user typed win over all other places, for the rest of this process.

    That includes arguments in the program's code, such as ``pipeline.run(workers=4)``.

    Args:
        **given: Settings by name; None means not given. ``params`` win parameter by parameter.
    """
    values.update({name: value for name, value in given.items() if value is not None})
