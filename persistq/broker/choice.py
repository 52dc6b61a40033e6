"""Which load a start works on, and whether it may. Nothing is written here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from persistq.broker.parameters import first_parameters, require_agreement
from persistq.broker.shape import require_shape
from persistq.broker.sources import have_ended, renamed_sources
from persistq.broker.stages import (
    renamed_stages,
    require_natural_keys,
    require_streaming,
)
from persistq.errors import JournalMissing, UsageError
from persistq.journal.load import LoadState

if TYPE_CHECKING:
    from persistq.journal.base import Journal
    from persistq.journal.load import Load, Param
    from persistq.wire.messages import Opening


@dataclass(frozen=True, slots=True)
class Choice:
    """What a start is going to do; it has been checked.

    Attributes:
        load: The load to carry on, or None to begin one.
        abandoned: The open load that a new one takes the place of, or None.
        renames: New names of stages, by queue.
        source_renames: New names of sources, by number.
        params: Parameters of a new load.
    """

    load: Load | None
    abandoned: Load | None = None
    renames: dict[int, str] = field(default_factory=dict)
    source_renames: dict[int, str] = field(default_factory=dict)
    params: list[Param] = field(default_factory=list)


def require_beginning(opening: Opening) -> None:
    """Refuse what cannot be done where there is no journal yet, before anything is made.

    Raises:
        JournalMissing: A load is named.
        UsageError: A parameter is missing.
    """
    if opening.load is not None:
        reason = f"there is no journal here, so there is no load {opening.load} to carry on"
        raise JournalMissing(opening.path, reason)
    first_parameters(opening)


def choose(journal: Journal, opening: Opening) -> Choice:
    """Choose the load that a start carries on, or none if it begins one.

    Raises:
        UsageError: What it names is not there or is over, or the load is of the other kind, has
            other stages or other parameters.
    """
    load = _wanted(journal, opening)
    if load is None:
        abandoned = journal.open_load() if opening.fresh else None
        return Choice(None, abandoned, params=first_parameters(opening))
    if load.kind != opening.kind:
        raise UsageError(
            f"{opening.path} holds an unfinished {load.kind}, which cannot be carried on as a "
            f"{opening.kind}: choose another name, or begin anew with fresh=True"
        )
    rows = journal.queues(load.load_id)
    renames = renamed_stages(opening, rows)
    require_shape(opening, rows, journal.routes(load.load_id))
    require_natural_keys(opening, rows)
    require_streaming(opening, [row for row in rows if journal.has_streamed(row.queue_id)])
    sources = journal.sources(load.load_id)
    stages = {row.queue_id: renames.get(row.queue_id, row.name) for row in rows}
    source_renames = renamed_sources(opening, sources, stages)
    ended = have_ended(sources) or (not sources and bool(rows) and rows[0].sealed_total is not None)
    require_agreement(opening, load.load_id, journal.params(load.load_id), sealed=ended)
    return Choice(load, renames=renames, source_renames=source_renames)


def _wanted(journal: Journal, opening: Opening) -> Load | None:
    if opening.load is not None:
        return _named(journal, opening, opening.load)
    if opening.fresh:
        return None
    load = journal.open_load()
    if load is None and opening.retry_failed:
        # Who asks for failed items means the load that has just ended with them.
        latest = journal.latest_load()
        return latest if latest is not None and _retryable(journal, latest) else None
    return load


def _retryable(journal: Journal, load: Load) -> bool:
    return load.state is LoadState.REOPENED or (
        load.state is LoadState.SETTLED and _parked(journal, load) > 0
    )


def _named(journal: Journal, opening: Opening, load_id: int) -> Load:
    load = journal.load(load_id)
    if load is None:
        latest = journal.latest_load()
        there = f"the latest one is {latest.load_id}" if latest is not None else "it has none"
        raise UsageError(f"{opening.path} has no load {load_id}; {there}")
    if load.state is LoadState.SETTLED and not (opening.retry_failed and _parked(journal, load)):
        parked = _parked(journal, load)
        left = f"{parked:,} parked, which only --failed retries" if parked else "nothing is left"
        raise UsageError(f"load {load_id} in {opening.path} is settled: {left}")
    return load


def _parked(journal: Journal, load: Load) -> int:
    return sum(row.parked for row in journal.queues(load.load_id))
