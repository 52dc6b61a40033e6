"""Who feeds whom: the stages of a load and the ways that items take between them.

A chain is the simplest graph. Nothing else in persistq knows that stages usually form one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import NamedTuple

from persistq.errors import UsageError


class Circle(NamedTuple):
    """Stages that reach each other, or one by itself: they are sealed together.

    Attributes:
        names: The stages, in the order of the graph.
        feeders: The other stages that feed one of them.
        entries: Those of them that take what a source puts.
        turns: Whether what is made of an item may come back, so that a stage which has nothing left
            may still get something.
    """

    names: tuple[str, ...]
    feeders: tuple[str, ...]
    entries: tuple[str, ...]
    turns: bool


@dataclass(frozen=True)
class Graph:
    """The stages of a load by name, in the order of their definition.

    Args:
        feeds: For each stage, the stages that its outputs go to.
        puts: For some stages, those further ones that its outputs may go back to, or itself.
        last: The stages that begin when all others have come to their end, and get nothing of them.

    Raises:
        UsageError: A stage feeds one that does not exist, or, in however many steps, itself: such
            stages would wait for each other's room. Only what goes back may close a circle, and it
            closes one.
    """

    feeds: Mapping[str, tuple[str, ...]]
    puts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    last: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, targets in [*self.feeds.items(), *self.puts.items()]:
            if unknown := [target for target in targets if target not in self.feeds]:
                raise UsageError(f"stage {name!r} feeds {unknown[0]!r}, which is no stage")
        try:
            TopologicalSorter(self.feeds).prepare()
        except CycleError as error:
            circle = " feeds ".join(reversed(error.args[1]))
            raise UsageError(
                f"stages must not feed each other in a circle: {circle}; say puts= at the one that "
                "puts back"
            ) from None
        for name, targets in self.puts.items():
            for target in targets:
                if target != name and name not in self._reach(self.feeds, target):
                    raise UsageError(
                        f"stage {name!r} puts into {target!r}, which does not lead to it: say "
                        f"after={name!r} at {target!r}"
                    )

    @classmethod
    def chain(cls, names: Sequence[str]) -> Graph:
        """Return the graph in which each stage feeds the one after it."""
        following = {name: (after,) for name, after in pairwise(names)}
        return cls({name: following.get(name, ()) for name in names})

    @cached_property
    def targets(self) -> Mapping[str, tuple[str, ...]]:
        """For each stage, all that its outputs may go to."""
        return {
            name: tuple(dict.fromkeys([*targets, *self.puts.get(name, ())]))
            for name, targets in self.feeds.items()
        }

    @cached_property
    def fed_by(self) -> Mapping[str, tuple[str, ...]]:
        """For each stage, those that have to come to their end before it can; none for entries."""
        return {
            name: tuple(other for other, behind in self.behind.items() if name in behind)
            for name in self.feeds
        }

    @cached_property
    def behind(self) -> Mapping[str, tuple[str, ...]]:
        """For each stage, those that it feeds, or puts into, or that begin after it."""
        return {
            name: (*targets, *(() if name in self.last else self.last))
            for name, targets in self.targets.items()
        }

    @cached_property
    def entries(self) -> tuple[str, ...]:
        """The stages that no other stage comes before: sources and other programs put there."""
        fed = {target for targets in self.feeds.values() for target in targets}
        return tuple(name for name in self.feeds if name not in fed and name not in self.last)

    @cached_property
    def exits(self) -> tuple[str, ...]:
        """The stages that feed none."""
        return tuple(name for name, targets in self.feeds.items() if not targets)

    @cached_property
    def circles(self) -> tuple[Circle, ...]:
        """All stages, each in one circle, which most are alone."""
        return tuple(
            self._circle(tuple(other for other in self.feeds if self._meet(name, other)))
            for name in self.feeds
            if not any(self._meet(name, other) for other in self._before(name))
        )

    def turns(self, name: str) -> bool:
        """Return whether what is made of an item of a stage may come back to it."""
        return name in self.after(name)

    def after(self, name: str) -> frozenset[str]:
        """Return every stage that something put on this one may reach; itself if it turns."""
        return self._after[name]

    def sealable(
        self,
        is_sealed: Callable[[str], bool],
        is_settled: Callable[[str], bool],
        is_quiet: Callable[[str], bool],
    ) -> Iterator[str]:
        """Yield the open stages to which nothing more can come.

        That is so if all that feed a circle are settled and, where items turn in it, nothing is
        left in any of its stages. An entry that no stage puts into is never among them: whoever
        puts there says when it is over.

        Args:
            is_sealed: Tells whether a stage is sealed.
            is_settled: Tells whether a stage is sealed and nothing is left of it.
            is_quiet: Tells whether nothing is left of a stage and, if it is an entry, its source
                has come to its end.
        """
        for names, feeders, entries, turns in self.circles:
            if all(map(is_sealed, names)) or (entries and not turns):
                continue
            if all(map(is_settled, feeders)) and (not turns or all(map(is_quiet, names))):
                yield from (name for name in names if not is_sealed(name))

    # --- inside ---

    @cached_property
    def _after(self) -> Mapping[str, frozenset[str]]:
        return {name: self._reach(self.behind, name) for name in self.feeds}

    @staticmethod
    def _reach(ways: Mapping[str, tuple[str, ...]], name: str) -> frozenset[str]:
        """Return what can be reached in one step or more."""
        found, todo = set[str](), [*ways[name]]
        while todo:
            if (one := todo.pop()) not in found:
                found.add(one)
                todo += ways[one]
        return frozenset(found)

    def _before(self, name: str) -> list[str]:
        names = [*self.feeds]
        return names[: names.index(name)]

    def _meet(self, name: str, other: str) -> bool:
        return name == other or (other in self._after[name] and name in self._after[other])

    def _circle(self, names: tuple[str, ...]) -> Circle:
        feeders = dict.fromkeys(one for name in names for one in self.fed_by[name])
        return Circle(
            names,
            tuple(feeder for feeder in feeders if feeder not in names),
            tuple(name for name in names if name in self.entries),
            self.turns(names[0]),
        )
