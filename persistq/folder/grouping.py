"""Files that belong together: which group a file is of, and which groups are complete."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from persistq.errors import UsageError
from persistq.folder.names import original

COMPLETE: Final = ".complete"
"""Ends the name of a file that says of its group that all of it is there."""

BY_FILE: Final = "by file"

MembersOption = Iterable[str] | Callable[[str], Iterable[str]] | None
"""What ``members=`` takes: the members of each group, a function of the group that gives them, or
`BY_FILE`."""


@dataclass(frozen=True, slots=True)
class Group:
    """The files of one group that lie in a folder.

    Attributes:
        name: The group.
        files: Its files, in the order of the listing.
        lacks: What is wrong with it; empty if it is complete.
        beside: Names of files that belong to it and are not handed out.
    """

    name: str
    files: list[str]
    lacks: str = ""
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grouping:
    """Sorts files into groups.

    Attributes:
        pattern: Names of files have to match it; ``group`` in it is the group, ``member`` which
            one of its files it is.
        members: The members of a complete group.
        size: Or how many they are.
    """

    pattern: re.Pattern[str]
    members: Any = None
    size: int | None = None

    @property
    def by_file(self) -> bool:
        """Whether a file says that a group is complete."""
        return isinstance(self.members, str)

    def sorted(self, names: Sequence[str], directory: Path) -> tuple[list[Group], list[Group]]:
        """Return the complete groups, in the order of their first files, and the others.

        Args:
            names: Names of files, in order.
            directory: Where they are.
        """
        rooms: dict[str, dict[str, list[str]]] = {}
        for name in names:
            found = self.pattern.fullmatch(original(name))
            group, member = self._place(name, found)
            rooms.setdefault(group, {}).setdefault(member, []).append(name)
        groups = [self._group(group, room, directory) for group, room in rooms.items()]
        return [one for one in groups if not one.lacks], [one for one in groups if one.lacks]

    def _place(self, name: str, found: re.Match[str] | None) -> tuple[str, str]:
        if found is None or not found["group"]:
            return "", name
        named = self.pattern.groupindex.get("member")
        return found["group"], (found["member"] or "") if named else name

    def _group(self, group: str, room: dict[str, list[str]], directory: Path) -> Group:
        files = [name for names in room.values() for name in names]
        if not group:
            return Group("(none)", files, "their names say no group")
        if twice := sorted(member for member, names in room.items() if len(names) > 1):
            return Group(group, files, f"it has several files of {', '.join(twice)}")
        if self.by_file:
            marker = f"{group}{COMPLETE}"
            there = (directory / marker).exists()
            return Group(group, files, "" if there else f"{marker} is missing", (marker,))
        if self.size is not None:
            right = len(files) == self.size
            return Group(group, files, "" if right else f"it has {len(files)} of {self.size} files")
        return self._with_members(group, room)

    def _with_members(self, group: str, room: dict[str, list[str]]) -> Group:
        expected = set(self.members(group) if callable(self.members) else self.members)
        files = [names[0] for member, names in room.items() if member in expected]
        if missing := sorted(expected - room.keys()):
            every = [name for names in room.values() for name in names]
            return Group(group, every, f"{', '.join(missing)} missing")
        return Group(group, files)


def grouping_of(group: str, members: MembersOption, size: int | None) -> Grouping:
    """Return what the options say.

    Raises:
        UsageError: They say no group, or not when one is complete: half a group is never handed
            out by default.
    """
    try:
        pattern = re.compile(group)
    except (re.error, TypeError) as error:
        raise UsageError(f"group={group!r} is no regular expression: {error}") from error
    if "group" not in pattern.groupindex:
        raise UsageError(f"group={group!r} has no (?P<group>...), which says what the group is")
    if (members is None) == (size is None):
        raise UsageError("group= needs members= or group_size=, to know when a group is complete")
    if size is not None and (type(size) is not int or size < 1):
        raise UsageError(f"group_size={size!r} is refused: give a number of files, at least 1")
    if isinstance(members, str) and members != BY_FILE:
        raise UsageError(f"members={members!r} is refused: give a set of texts, or 'by file'")
    if members is None or isinstance(members, str) or callable(members):
        return Grouping(pattern, members, size)
    return Grouping(pattern, frozenset(members), size)
