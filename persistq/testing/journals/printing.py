"""What handlers have printed: no part of the work."""

from __future__ import annotations

from persistq.journal.batch import LINES_MAX, Batch, Line
from persistq.testing.contract import same
from persistq.testing.journals.place import JournalPlace, journal_rules

RULES = journal_rules()


@RULES.check
def printed_lines_change_nothing(place: JournalPlace) -> None:
    """No counter and no item knows of them, however many they are."""
    feed = place.feed()
    feed.put(2)
    lines = [Line(feed.id(n), stream, f"line {n}") for n in (1, 2) for stream in (1, 2)]
    feed.commit(Batch(printed=lines))
    feed.commit(Batch(printed=[Line(feed.id(2), 1, "")] * LINES_MAX))
    for one in place.now_and_later_fed(feed):
        same(one.outstanding(), [1, 2])
