"""The shape of a load: its graph, as the program says it and as the journal keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from persistq.errors import UsageError
from persistq.graph import Graph
from persistq.journal.route import Route, RouteKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from persistq.journal.queuerow import QueueRow
    from persistq.wire.messages import Opening, StageSpec

_FEEDING: Final = (RouteKind.FEEDS, RouteKind.KEEPS, RouteKind.PASSES)


def graph_of(stages: Sequence[StageSpec]) -> Graph:
    """Return which stages feed which: the one that follows, if a stage says nothing else.

    Raises:
        UsageError: A stage feeds one that does not exist, or itself in some steps.
    """
    chain = Graph.chain([stage.name for stage in stages])
    return Graph(
        {
            stage.name: chain.feeds[stage.name] if stage.feeds is None else tuple(stage.feeds)
            for stage in stages
        },
        {stage.name: tuple(stage.puts) for stage in stages if stage.puts},
        tuple(stage.name for stage in stages if stage.hook),
    )


def routes_of(
    graph: Graph,
    rows: Sequence[QueueRow],
    results: Collection[str] = (),
    passes: Collection[str] = (),
) -> list[Route]:
    """Return a graph as the journal keeps it, in the order of the queues.

    Args:
        graph: The graph.
        rows: The queues.
        results: The names of those whose items are results.
        passes: The names of those which get the items of the one before them.
    """
    number = {row.name: row.queue_id for row in rows}
    kinds = {number[name]: RouteKind.KEEPS for name in results}
    kinds |= {number[name]: RouteKind.PASSES for name in passes}
    feeds = [
        route._replace(kind=kinds.get(route.target_id, route.kind))
        for route in _routes(graph.feeds.items(), number, RouteKind.FEEDS)
    ]
    puts = _routes(graph.puts.items(), number, RouteKind.PUTS)
    before = {name: graph.last for name in graph.feeds if name not in graph.last}
    ends = _routes(before.items(), number, RouteKind.ENDS)
    return sorted([*feeds, *puts, *ends])


def _routes(
    ways: Iterable[tuple[str, tuple[str, ...]]], number: dict[str, int], kind: RouteKind
) -> Iterator[Route]:
    for name, targets in ways:
        yield from (Route(number[name], number[target], kind) for target in targets)


def passing_of(routes: Sequence[Route]) -> dict[int, int]:
    """Return which queue gets the items of which when they are done with."""
    return {it.queue_id: it.target_id for it in routes if it.kind is RouteKind.PASSES}


def kept_graph(rows: Sequence[QueueRow], routes: Sequence[Route]) -> Graph:
    """Return the graph that the journal keeps of a load."""
    name = {row.queue_id: row.name for row in rows}

    def ways(queue_id: int, *kinds: RouteKind) -> tuple[str, ...]:
        return tuple(
            name[it.target_id] for it in routes if it.queue_id == queue_id and it.kind in kinds
        )

    return Graph(
        {row.name: ways(row.queue_id, *_FEEDING) for row in rows},
        {row.name: ways(row.queue_id, RouteKind.PUTS) for row in rows},
        tuple(dict.fromkeys(name[it.target_id] for it in routes if it.kind is RouteKind.ENDS)),
    )


def require_shape(opening: Opening, rows: Sequence[QueueRow], routes: Sequence[Route]) -> None:
    """Require that stages which have made something feed those that they have fed.

    What was made of an item went where the graph led then, and is not kept for others. Ways back
    may change at any time, because nothing takes them that does not name them.

    Args:
        opening: The start, whose stages are those of the load and perhaps some more.
        rows: The queues of the load, by position.
        routes: The ways between them that the journal has.

    Raises:
        UsageError: One feeds others.
    """
    positions = {row.queue_id: row.position for row in rows}
    names = [stage.name for stage in opening.stages]
    feeds = graph_of(opening.stages).feeds
    for row in rows:
        fed = {
            names[positions[it.target_id]]
            for it in routes
            if it.queue_id == row.queue_id and it.kind in _FEEDING
        }
        name = names[row.position]
        if row.done and fed != {*feeds[name]}:
            raise UsageError(
                f"load {row.load_id} in {opening.path} is unfinished and its stage {name!r} has "
                f"fed {_listed(fed)}; this program has it feed {_listed(feeds[name])}: restore "
                "after=, or begin anew with --fresh (fresh=True)"
            )


def _listed(names: Iterable[str]) -> str:
    return " and ".join(map(repr, sorted(names))) or "no stage"
