"""Which items a handler has begun more than once, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from persistq.items import DoneKind
from persistq.journal.reader import ItemState, Repeated

if TYPE_CHECKING:
    import sqlite3

_PAGE_ROWS: Final = 1000

# Of a purged load is known that what is not parked has ended, and no more.
_REPEATED: Final = """
    SELECT item_id, begun, died, outcome, is_parked FROM (
        SELECT f.item_id, attempts + (ended AND NOT EXISTS (
            SELECT 1 FROM by_hand AS h WHERE h.item_id = f.item_id AND h.deed <> 'retried'
        )) AS begun, died, outcome, is_parked
        FROM (
            SELECT *, outcome IS NOT NULL OR (:is_purged AND NOT is_parked) AS ended FROM (
                SELECT item_id, count(*) AS attempts,
                sum(kind IN ('crash', 'timeout') OR (kind = 'suspect' AND pid <> 0)) AS died,
                (SELECT CASE WHEN last_id >= failure.item_id THEN outcome END FROM done_range
                    WHERE first_id <= failure.item_id ORDER BY first_id DESC LIMIT 1) AS outcome,
                EXISTS (SELECT 1 FROM parked AS p WHERE p.item_id = failure.item_id) AS is_parked
                FROM failure WHERE item_id > :after_id AND item_id <= :last_id
                GROUP BY item_id
            )
        ) AS f
    ) WHERE begun > 1 ORDER BY item_id LIMIT :most"""

_STATES: Final = {
    DoneKind.DONE.value: ItemState.DONE,
    DoneKind.DROPPED.value: ItemState.DROPPED,
}


def repeated_page(
    connection: sqlite3.Connection, after_id: int, last_id: int, *, is_purged: bool
) -> list[Repeated]:
    """Read the next items that were begun more than once; empty at the end."""
    bounds = {"after_id": after_id, "last_id": last_id, "is_purged": is_purged}
    rows = connection.execute(_REPEATED, bounds | {"most": _PAGE_ROWS})
    return [
        Repeated(item_id, begun, died, _state(outcome, parked=parked, is_purged=is_purged))
        for item_id, begun, died, outcome, parked in rows.fetchall()
    ]


def _state(outcome: int | None, *, parked: bool, is_purged: bool) -> ItemState | None:
    if parked:
        return ItemState.PARKED
    if outcome is not None:
        return _STATES[outcome]
    return None if is_purged else ItemState.OUTSTANDING
