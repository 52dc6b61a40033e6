"""From what was written down, typed or set to a site or a catalogue; today these are files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from persistq.site.files import FileCatalogue, FileSite

if TYPE_CHECKING:
    from persistq.site.base import Catalogue, Site


def site_of(journal: str) -> Site:
    """Return the site whose `Site.journal` this is."""
    return FileSite(journal)


def catalogue_of(place: str | Path) -> Catalogue:
    """Return the catalogue of a directory of journals."""
    return FileCatalogue(Path(place))
