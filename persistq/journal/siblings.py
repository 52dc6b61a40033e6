"""Journals whose names are made from one template: their loads count together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from persistq.errors import JournalError
from persistq.journal.holding import held, remove_if_bare
from persistq.journal.load import EndedLoad
from persistq.journal.opening import open_reader
from persistq.journal.view import JournalView
from persistq.site.naming import fits, real_path

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from persistq.journal.reader import JournalReader
    from persistq.site.base import Catalogue, Site


class Siblings:
    """The journals of one directory whose names were made from a template.

    That a name looks so is not enough, others may be called ``sales-archive``: a journal says
    itself what its name was made from. Links to other directories are none of them.

    Args:
        catalogue: Where they are.
        template: The template.
        but: The journal that is left out, because its own broker asks.
    """

    def __init__(self, catalogue: Catalogue, template: str, but: str = "") -> None:
        self._catalogue = catalogue
        self._template = template
        self._but = but
        self._spent: list[Site] = []

    def ended_loads(self) -> list[tuple[Site, EndedLoad]]:
        """Return the loads in all of them that have ended and were not purged.

        What cannot be read is passed over.
        """
        self._spent = []
        return [(site, load) for site in self._sites() for load in self._loads_in(site)]

    def give_up(
        self, beyond: Mapping[Site, Collection[int]], over: Callable[[], bool]
    ) -> Iterator[Site]:
        """Purge loads, and remove the journals of which nothing is left then; yield these.

        Where a run is at work nothing is done: it does so itself. Call `ended_loads` before.

        Crash: each journal is as it was, purged or partly so, or removed; the next run goes on.

        Args:
            beyond: The loads to purge, by journal.
            over: Returns whether it is time to stop.
        """
        for site in [*beyond, *(site for site in self._spent if site not in beyond)]:
            if over():
                return
            try:
                if self._give_up(site, beyond.get(site, ()), over):
                    yield site
            except JournalError:
                continue

    def _give_up(self, site: Site, loads: Collection[int], over: Callable[[], bool]) -> bool:
        with held(site) as journal:
            for load_id in loads:
                journal.purge_load(load_id)
            before = journal.next_spool_id()
            while journal.tidy(before):
                if over():
                    return False
            return remove_if_bare(site, journal)

    def _sites(self) -> list[Site]:
        return [
            site
            for site in self._catalogue.sites()
            if site.journal != self._but
            and fits(self._template, site.name)
            and str(real_path(Path(site.journal))) == site.journal
        ]

    def _loads_in(self, site: Site) -> list[EndedLoad]:
        try:
            with open_reader(site) as reader:
                return self._read(site, reader)
        except JournalError:
            return []

    def _read(self, site: Site, reader: JournalReader) -> list[EndedLoad]:
        if reader.template() != self._template:
            return []
        views = [reader.view(load.load_id) for load in reader.loads()]
        if all(_is_over(view) for view in views) and not any(
            reader.latest_failures(view.queues, 1) for view in views
        ):
            self._spent.append(site)
        return ended_in(views)


def _is_over(view: JournalView) -> bool:
    return view.load is not None and view.load.purged_at is not None and not view.parked


def ended_in(views: Iterable[JournalView]) -> list[EndedLoad]:
    """Return those of the loads that have ended and were not purged."""
    return [load for view in views if (load := _ended(view)) is not None]


def _ended(view: JournalView) -> EndedLoad | None:
    load = view.load
    if load is None or load.ended_at is None or load.purged_at is not None:
        return None
    size = sum(row.bytes for row in view.queues)
    return EndedLoad(load.load_id, load.state, load.ended_at, size, view.outstanding)
