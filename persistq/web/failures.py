"""The page of what is parked as failed: by kind, item by item, and what can be done about it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from persistq.cli.failed import error_of, grouped, pattern_of
from persistq.cli.pointing import Names, names_in, stages_chosen
from persistq.text.payloads import in_brief, shortened
from persistq.web.overview import CRUMB
from persistq.web.page import Crumb, Page, number_in, path_to
from persistq.web.rendering import rendered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persistq.cli.failed import Group
    from persistq.journal.reader import JournalReader, ParkedError
    from persistq.journal.view import JournalView
    from persistq.web.journals import Journals
    from persistq.web.page import Query

GROUPED_MOST: Final = 50_000
"""So many failed items are sorted into kinds at most; the page says so where there are more."""

LISTED: Final = 50

_ERROR_WIDTH: Final = 400
_ITEM_WIDTH: Final = 160


class Kind(NamedTuple):
    """Which failed items are meant.

    Attributes:
        stage: Their stage; None for all.
        pattern: Their error without what differs from item to item; None for all.
    """

    stage: str | None
    pattern: str | None


def kind_in(query: Query) -> Kind:
    """Return which failed items an address, or a form, means."""
    return Kind(query.get("stage") or None, query.get("pattern") or None)


def failed_items(
    reader: JournalReader, view: JournalView, kind: Kind, most: int | None = None
) -> Iterator[ParkedError]:
    """Iterate over the failed items of a kind, in order.

    Args:
        reader: The journal.
        view: The load.
        kind: The kind.
        most: How many are looked at, of any kind; None for all.

    Raises:
        UsageError: There is no such stage.
    """
    failed = (
        parked
        for queue in stages_chosen(view, kind.stage)
        if queue.parked
        for parked in reader.parked_errors(queue.queue_id)
    )
    for parked in islice(failed, most):
        if kind.pattern is None or pattern_of(parked) == kind.pattern:
            yield parked


def failures_page(journals: Journals, name: str, query: Query, order_token: str) -> Page:
    """Return the page of a load's failed items.

    Args:
        journals: All journals.
        name: The journal.
        query: ``load``, and which kind is listed: ``stage`` and ``pattern``.
        order_token: What orders from this page have to show.

    Raises:
        UsageError: There is no such load or stage.
        JournalError: The journal cannot be read.
    """
    load, kind = number_in(query, "load"), kind_in(query)
    with journals.reader(name) as reader:
        view = reader.view(load)
        names = names_in(reader, view)
        values = {
            "order_token": order_token,
            "name": name,
            "load": view.load.load_id if view.load is not None else None,
            "kind": kind,
            "everything": path_to(name, "failures", load=load),
            "parked": view.parked,
            "groups": _groups(reader, view, names, load),
            "grouped_most": GROUPED_MOST,
            "rows": _rows(reader, view, names, kind),
        }
    parts = {"failed": rendered("failures.html", values)}
    crumbs = (CRUMB, Crumb(name, path_to(name, load=load)), Crumb("failures"))
    return Page(f"{name}: failures", crumbs, parts["failed"], parts)


def _groups(
    reader: JournalReader, view: JournalView, names: Names, load: int | None
) -> list[dict[str, Any]]:
    parked = failed_items(reader, view, Kind(None, None), GROUPED_MOST)
    return [_group(reader, view, names, group, load) for group in grouped(parked, names)]


def _group(
    reader: JournalReader, view: JournalView, names: Names, group: Group, load: int | None
) -> dict[str, Any]:
    item_id = group.example.item_id
    stage = names.stage(item_id)
    return {
        "count": group.count,
        "stage": stage,
        "pattern": group.pattern,
        "error": shortened(error_of(group.example), _ERROR_WIDTH),
        "example": names.of(item_id),
        "example_path": path_to(view.name, "items", names.full(item_id)),
        "item": _in_brief(reader, item_id),
        "path": path_to(view.name, "failures", load=load, stage=stage, pattern=group.pattern),
    }


def _rows(
    reader: JournalReader, view: JournalView, names: Names, kind: Kind
) -> list[dict[str, Any]]:
    return [
        {
            "name": names.of(parked.item_id),
            "path": path_to(view.name, "items", names.full(parked.item_id)),
            "at": parked.at,
            "error": shortened(error_of(parked), _ERROR_WIDTH),
            "item": _in_brief(reader, parked.item_id),
        }
        for parked in islice(failed_items(reader, view, kind, GROUPED_MOST), LISTED)
    ]


def _in_brief(reader: JournalReader, item_id: int) -> str:
    found = next(reader.items(item_id, item_id), None)
    if found is None:
        return ""
    return in_brief(found.item.codec, found.item.payload, _ITEM_WIDTH)
