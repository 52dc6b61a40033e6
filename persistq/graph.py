"""Who feeds whom: the stages of a load and the ways that items take between them.

A chain is the simplest graph. Nothing else in persistq knows that stages usually form one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from persistq.errors import UsageError


@dataclass(frozen=True)
class Graph:
    """The stages of a load by name, in the order of their definition.

    Args:
        feeds: For each stage, the stages that its outputs go to.

    Raises:
        UsageError: A stage feeds one that does not exist, or, in however many steps, itself: a load
            of such stages would never be known to be over.
    """

    feeds: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        for name, targets in self.feeds.items():
            if unknown := [target for target in targets if target not in self.feeds]:
                raise UsageError(f"stage {name!r} feeds {unknown[0]!r}, which is no stage")
        try:
            TopologicalSorter(self.feeds).prepare()
        except CycleError as error:
            circle = " feeds ".join(reversed(error.args[1]))
            raise UsageError(f"stages must not feed each other in a circle: {circle}") from None

    @classmethod
    def chain(cls, names: Sequence[str]) -> Graph:
        """Return the graph in which each stage feeds the one after it."""
        following = {name: (after,) for name, after in pairwise(names)}
        return cls({name: following.get(name, ()) for name in names})

    @cached_property
    def fed_by(self) -> Mapping[str, tuple[str, ...]]:
        """For each stage, the stages whose outputs it gets; none for what a source feeds."""
        return {
            name: tuple(other for other, targets in self.feeds.items() if name in targets)
            for name in self.feeds
        }

    @cached_property
    def entries(self) -> tuple[str, ...]:
        """The stages that no other stage feeds: sources and other programs put there."""
        return tuple(name for name, feeders in self.fed_by.items() if not feeders)

    @cached_property
    def exits(self) -> tuple[str, ...]:
        """The stages that feed none."""
        return tuple(name for name, targets in self.feeds.items() if not targets)

    def after(self, name: str) -> frozenset[str]:
        """Return every stage that something put on this one may reach, itself left out."""
        direct = self.feeds[name]
        return frozenset(direct).union(*map(self.after, direct))

    def sealable(
        self, is_sealed: Callable[[str], bool], is_settled: Callable[[str], bool]
    ) -> Iterator[str]:
        """Yield the open stages to which nothing more can come, because all feeders are settled.

        Entries are never among them: whoever puts there says when it is over.

        Args:
            is_sealed: Tells whether a stage is sealed.
            is_settled: Tells whether a stage is sealed and nothing is left of it.
        """
        for name, feeders in self.fed_by.items():
            if feeders and not is_sealed(name) and all(map(is_settled, feeders)):
                yield name
