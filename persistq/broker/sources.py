"""The sources of a load: which there are, who has put what, how far each has come, and its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from persistq.broker.span import Span
from persistq.errors import UsageError
from persistq.items import item_id_of
from persistq.journal.base import Journal
from persistq.journal.queuerow import QueueRow
from persistq.journal.sourcerow import Cursor, SourceRow, SourceSpan
from persistq.wire.messages import SourceSpec

if TYPE_CHECKING:
    from persistq.wire.messages import Opening

SPANS: Final = 1000
"""Spans that are read at a time."""


class Sources:
    """What is known of the sources of a load.

    Args:
        rows: The sources, by number in order.
        latest: By queue, the source that has put last on it; None if a stage has.

    Attributes:
        rows: The sources by number.
        cursors: How far those have come that say so and go on behind that, by number.
        put: How many new items each has put in this run.
    """

    def __init__(
        self, rows: Iterable[SourceRow] = (), latest: Mapping[int, int | None] | None = None
    ) -> None:
        self.rows = {row.source_id: row for row in rows}
        self.cursors: dict[int, Cursor] = {}
        self.put = dict.fromkeys(self.rows, 0)
        self._latest = dict(latest or {})

    def latest(self, queue_id: int) -> int | None:
        """Return the source that has put last on a queue; None if a stage has, or nobody."""
        return self._latest.get(queue_id)

    def begin(self, queue_id: int, source_id: int | None, first_id: int) -> SourceSpan:
        """From this item on another source, or a stage, puts on a queue; return its record."""
        self._latest[queue_id] = source_id
        return SourceSpan(first_id, source_id)

    def of_queue(self, queue_id: int) -> list[SourceRow]:
        """Return the sources that put on a queue."""
        return [row for row in self.rows.values() if row.queue_id == queue_id]

    def is_awaited(self, queue_id: int) -> bool:
        """Return whether a source that puts on a queue has not come to its end."""
        return any(not row.ended for row in self.rows.values() if row.queue_id == queue_id)

    def put_at_cursor(self, source_id: int) -> int:
        """Return how many items of its queue were put up to a source's cursor; 0 without one."""
        cursor = self.cursors.get(source_id)
        return 0 if cursor is None else cursor.put


def sources_of(journal: Journal, rows: Sequence[QueueRow], kept: Sequence[SourceRow]) -> Sources:
    """Return what a journal knows of the sources of a load."""
    latest = {
        row.queue_id: _latest(journal, row, kept)
        for row in rows
        if any(source.queue_id == row.queue_id for source in kept)
    }
    return Sources(kept, latest)


def _latest(journal: Journal, row: QueueRow, kept: Sequence[SourceRow]) -> int | None:
    last = item_id_of(row.queue_id, row.put)
    spans = journal.source_spans(last, last, 1)
    return spans[-1].source_id if spans else _first(kept, row.queue_id)


def _first(kept: Iterable[SourceRow], queue_id: int) -> int | None:
    return next((source.source_id for source in kept if source.queue_id == queue_id), None)


def put_by(
    journal: Journal, sources: Sources, source: SourceRow, after: int, last: int
) -> Iterator[Span]:
    """Yield what a source has put between two items of its queue.

    Args:
        journal: Where that is recorded.
        sources: The sources of the load.
        source: The source.
        after: The item behind which to begin.
        last: The last one.
    """
    who, begun, position = _first(sources.rows.values(), source.queue_id), after, after
    while True:
        page = journal.source_spans(position, last, SPANS)
        for span in page:
            if who == source.source_id and span.first_id - 1 > begun:
                yield Span(begun, span.first_id - 1)
            who, begun = span.source_id, max(begun, span.first_id - 1)
        if len(page) < SPANS:
            break
        position = page[-1].first_id
    if who == source.source_id and last > begun:
        yield Span(begun, last)


def renamed_sources(
    opening: Opening, kept: Sequence[SourceRow], stages: Mapping[int, str]
) -> dict[int, str]:
    """Return the new names of sources that were renamed, by their number.

    The only one of its stage may be renamed. Who feeds a stage that is new may be new. When all
    have come to their end, none is called again, and whatever this program has is fine.

    Args:
        opening: The start.
        kept: The sources of the load.
        stages: Its stages, with the names that this start gives them, by queue.

    Raises:
        UsageError: The sources differ in any other way.
    """
    renames = {}
    for queue_id, stage in stages.items() if not have_ended(kept) else ():
        had = [source for source in kept if source.queue_id == queue_id]
        has = [spec.name for spec in opening.sources if spec.stage == stage]
        if len(had) == len(has) == 1 and had[0].name != has[0]:
            renames[had[0].source_id] = has[0]
        elif sorted(has) != sorted(source.name for source in had):
            raise _refused(opening, kept, stages)
    return renames


def add_missing(
    journal: Journal, opening: Opening, rows: Sequence[QueueRow], kept: Sequence[SourceRow]
) -> list[SourceRow]:
    """Record the sources that a load has not yet, and return all of them.

    Crash: the caller's transaction has all of it or nothing.
    """
    if have_ended(kept):
        return [*kept]
    numbers = {row.name: row.queue_id for row in rows}
    known = {(source.queue_id, source.name) for source in kept}
    wanted = [(numbers[spec.stage], spec.name) for spec in opening.sources]
    return [*kept, *(journal.add_source(*one) for one in wanted if one not in known)]


def spec_of(opening: Opening, source: SourceRow, stage: str) -> SourceSpec:
    """Return what a start says of a source."""
    named = (spec for spec in opening.sources if (spec.name, spec.stage) == (source.name, stage))
    # One that has ended may be gone since.
    return next(named, SourceSpec(source.name, stage))


def have_ended(sources: Sequence[SourceRow]) -> bool:
    """Return whether there are sources, and all have come to their end."""
    return bool(sources) and all(source.ended for source in sources)


def _refused(opening: Opening, kept: Sequence[SourceRow], stages: Mapping[int, str]) -> UsageError:
    had = sorted(f"{source.name} (to {stages[source.queue_id]})" for source in kept)
    has = sorted(f"{spec.name} (to {spec.stage})" for spec in opening.sources)
    return UsageError(
        f"the load in {opening.path} is unfinished and has the sources {', '.join(had) or 'none'}; "
        f"this program has {', '.join(has) or 'none'}: restore them, or begin anew with --fresh "
        "(fresh=True)"
    )
