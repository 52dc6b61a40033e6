"""The places where settings are given, and how a sentence calls what stands there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from persistq.errors import UsageError
from persistq.fields import fields_of
from persistq.settings import typed
from persistq.settings.project import TABLE, nearest_project
from persistq.settings.settings import PREFIX, Settings
from persistq.settings.variables import ENV_FILE, in_environment, in_file


class Place(NamedTuple):
    """One place where settings are given.

    Attributes:
        name: How a sentence calls it.
        said: What is given there, by name of setting.
        known: The settings that can be given there.
        prefix: What the names of its variables begin with; empty where they are names of settings.
        before: What a sentence says before such a name.
        behind: What it says behind it.
        joint: What stands there between a setting and its value.
        environment: Whether it is the environment, where other names are other programs' own.
    """

    name: str
    said: Mapping[str, Any]
    known: Collection[str]
    prefix: str = ""
    before: str = ""
    behind: str = ""
    joint: str = ": "
    environment: bool = False

    @property
    def written(self) -> bool:
        """Whether values are texts that stand for others."""
        return bool(self.prefix)

    def gives(self, name: str) -> bool:
        """Return whether a setting is given there."""
        return name in self.said and name in self.known

    def spelt(self, name: str) -> str:
        """Return the name of a setting as one writes it there."""
        return f"{self.prefix}{name.upper()}" if self.prefix else name

    def called(self, name: str) -> str:
        """Return how a sentence calls a setting there."""
        return f"{self.before}{self.spelt(name)}{self.behind}"


def places_of(kind: type[Settings], arguments: Mapping[str, Any]) -> Iterator[Place]:
    """Yield the places that a class of settings is filled from, highest priority first.

    A class of a program's own, with a prefix of its own, takes what is set for all of persistq
    where its own prefix says nothing.

    Args:
        kind: The class.
        arguments: What the program's code says.

    Raises:
        UsageError: A file cannot be read, or the class has a prefix that is none.
    """
    own = fields_of(kind)
    known = {prefix_of(kind): own}
    known.setdefault(PREFIX, fields_of(Settings))
    yield Place("an option", typed.values, own, before="option --")
    yield Place("an argument", arguments, own, before="argument ")
    for prefix, names in known.items():
        yield Place("the environment", in_environment(prefix), names, prefix, environment=True)
    for prefix, names in known.items():
        said = in_file(prefix)
        yield Place(f"the file {ENV_FILE}", said, names, prefix, behind=f" in {ENV_FILE}")
    yield _of_project()


def _of_project() -> Place:
    path, table = nearest_project()
    return Place(f"the file {path}", table, fields_of(Settings), behind=f" in {TABLE} of {path}")


def prefix_of(kind: type[Settings]) -> str:
    """Return what the names of a class's variables begin with, in capitals.

    Raises:
        UsageError: Every variable begins so.
    """
    prefix = kind.env_prefix
    if not isinstance(prefix, str) or not prefix:
        raise UsageError(
            f"{kind.__name__}: env_prefix={prefix!r} is refused: give what the names of its "
            "variables begin with, such as 'SALES_'"
        )
    return prefix.upper()
