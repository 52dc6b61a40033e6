"""What a stage says of the order of its items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persistq.errors import UsageError
from persistq.ordering import Ordering

if TYPE_CHECKING:
    from persistq.policy import StageOptions


def ordering_of(stage: str, options: StageOptions) -> Ordering | None:
    """Return in which order a stage gets its items, None if as they were put.

    Raises:
        UsageError: What is said is neither the name of a field nor a function.
    """
    said = {"priority": options.get("priority"), "order": options.get("order")}
    for name, value in said.items():
        if value is not None and not callable(value) and not (isinstance(value, str) and value):
            raise UsageError(
                f"stage {stage!r}: {name}={value!r} is refused: give the name of a field, or a "
                "function of an item"
            )
    if not any(value is not None for value in said.values()):
        return None
    return Ordering(stage, said["priority"], said["order"])


def require_alone(stage: str, **options: Any) -> None:
    """Require that a stage with an order gets its items one by one.

    Raises:
        UsageError: It says one of these options.
    """
    if given := [name for name, value in options.items() if value is not None]:
        raise UsageError(
            f"stage {stage!r}: priority= and order= do not go with {given[0]}=, which hands out "
            "together what has come together: put a stage with the order before it"
        )
