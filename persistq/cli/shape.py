"""How the stages of a load are joined, in words, where they are no chain."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from persistq.journal.route import RouteKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from persistq.journal.queuerow import QueueRow
    from persistq.journal.view import JournalView

_VERBS = {
    RouteKind.FEEDS: "feeds",
    RouteKind.PASSES: "passes its items on to",
    RouteKind.PUTS: "puts into",
}


def targets_of(view: JournalView, row: QueueRow, kind: RouteKind) -> list[str]:
    """Return the names of the stages behind one, in their order."""
    names = {queue.queue_id: queue.name for queue in view.queues}
    return [
        names[it.target_id] for it in view.routes if it.queue_id == row.queue_id and it.kind is kind
    ]


def shape_in_words(view: JournalView) -> str:
    """Return which stage feeds which, and puts into which; empty for a chain."""
    ways = {(it.queue_id, it.target_id) for it in view.routes if it.kind in _VERBS}
    hooks = {it.target_id for it in view.routes if it.kind is RouteKind.ENDS}
    stages = [row for row in view.worked_on if row.queue_id not in hooks]
    if ways == {(row.queue_id, other.queue_id) for row, other in pairwise(stages)}:
        return ""
    parts = []
    for row in stages:
        for kind, verb in _VERBS.items():
            if targets := targets_of(view, row, kind):
                parts.append(f"{row.name} {verb} {_listed(targets)}")
    return "; ".join(parts)


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names)
