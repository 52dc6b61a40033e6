"""What a stage says of its groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from persistq.errors import UsageError
from persistq.groups import Grouping

if TYPE_CHECKING:
    from persistq.policy import StageOptions

GROUP_OPTIONS: Final = ("group_by", "group_size", "member", "members", "marker")
"""What a stage may say of its groups, in the order of the fields of `Grouping`."""


def grouping_of(stage: str, options: StageOptions) -> Grouping | None:
    """Return in which groups a stage gets its items, None if in none.

    Raises:
        UsageError: What is said does not tell when a group is complete, or is no function or name.
    """
    said: dict[str, Any] = {
        name: value for name in GROUP_OPTIONS if (value := options.get(name)) is not None
    }
    if not said:
        return None
    what = f"stage {stage!r}"
    if "group_by" not in said:
        raise UsageError(f"{what}: {'= and '.join(said)}= without group_by=: say what groups items")
    for name, value in said.items():
        number = name == "group_size" and type(value) is int and value >= 1
        if not (callable(value) or (isinstance(value, str) and value) or number):
            raise UsageError(
                f"{what}: {name}={value!r} is refused: give a function of the item, or the name of "
                "a field"
            )
    ways = {"group_size", "members", "marker"} & {*said}
    if len(ways) != 1 or ("member" in said) != ("members" in said):
        raise UsageError(
            f"{what}: group_by= needs one of group_size=, marker=, and members= with member=: that "
            "tells when a group is complete"
        )
    return Grouping(
        stage,
        said["group_by"],
        said.get("group_size"),
        said.get("member"),
        said.get("members"),
        said.get("marker"),
    )
