"""Any graph, any history: nothing is sealed too early, and in the end everything is."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from persistq.errors import UsageError
from persistq.graph import Graph


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw a graph of up to six stages, with ways back and hooks."""
    names = [f"s{n}" for n in range(draw(st.integers(1, 6)))]
    feeds = {
        name: tuple(other for other in names[n + 1 :] if draw(st.booleans()))
        for n, name in enumerate(names)
    }
    puts: dict[str, tuple[str, ...]] = {}
    for name in names:
        for target in names:
            if draw(st.integers(0, 3)) == 0:
                more = puts | {name: (*puts.get(name, ()), target)}
                try:
                    Graph(feeds, more)
                except UsageError:
                    continue
                puts = more
    last = ("hook",) if draw(st.booleans()) else ()
    return Graph(feeds | dict.fromkeys(last, ()), puts, last)


@dataclass
class Load:
    """The queues of a load, as the broker counts them.

    Attributes:
        graph: Its graph.
        left: How many items each stage has left.
        ended: The entries whose source has come to its end.
        sealed: The stages that are sealed.
        may_put: How many items may still be put: there would be no end otherwise.
    """

    graph: Graph
    left: dict[str, int]
    ended: set[str] = field(default_factory=set)
    sealed: set[str] = field(default_factory=set)
    may_put: int = 30

    def put(self, name: str) -> None:
        """An item comes; the stage must be open."""
        assert name not in self.sealed, f"{name} was sealed too early"
        self.left[name] += 1
        self.may_put -= 1

    def advance(self) -> None:
        """Seal what can be sealed."""
        while found := [
            *self.graph.sealable(
                self.sealed.__contains__,
                lambda name: name in self.sealed and not self.left[name],
                lambda name: (
                    not self.left[name] and (name in self.ended or name not in self.graph.entries)
                ),
            )
        ]:
            assert not self.sealed & {*found}
            self.sealed.update(found)
        for names, feeders, _, _ in self.graph.circles:
            # All of a circle, or nothing of it.
            assert len({name in self.sealed for name in names}) == 1
            if self.sealed.issuperset(names):
                assert all(name in self.sealed and not self.left[name] for name in feeders)


@settings(max_examples=300, deadline=None)
@given(graph=graphs(), data=st.data())
def test_nothing_is_sealed_too_early_and_everything_in_the_end(
    graph: Graph, data: st.DataObject
) -> None:
    """A source ends, an item is finished and makes some for any stages that may get them."""
    load = Load(graph, dict.fromkeys(graph.feeds, 0))
    open_entries = [*graph.entries]
    for entry in open_entries:
        load.put(entry)
    while len(load.sealed) < len(graph.feeds):
        busy = [name for name, left in load.left.items() if left]
        assert busy or open_entries, f"nothing can happen any more: {load}"
        steps = [*(("end", name) for name in open_entries), *(("finish", name) for name in busy)]
        what, name = data.draw(st.sampled_from(steps))
        if what == "end":
            open_entries.remove(name)
            load.ended.add(name)
            if not graph.turns(name):
                load.sealed.add(name)
        else:
            load.left[name] -= 1
            for target in graph.targets[name]:
                if load.may_put > 0 and data.draw(st.booleans()):
                    load.put(target)
        load.advance()
    assert not any(load.left[name] for name in graph.feeds if graph.targets[name])
