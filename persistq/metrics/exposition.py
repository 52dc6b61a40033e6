"""The text that Prometheus reads: over HTTP, or from a file that the node exporter collects."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from persistq import failpoints
from persistq.errors import FolderError, JournalError, UsageError
from persistq.metrics.reading import Reading, reading_of

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from persistq.folder.counting import Counts
    from persistq.site.base import Site

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""What that is called over HTTP."""

_EXTRA: Final = "metrics need prometheus_client: pip install 'persistq[metrics]'"
_EVERYBODY: Final = 0o644
"""The node exporter runs as another user."""


class Collector:
    """What a registry of prometheus_client asks: all is read once for all metrics.

    Args:
        sites: The journals.
        folders: The folders.
    """

    def __init__(self, sites: Iterable[Site], folders: Iterable[Path]) -> None:
        self._sites = [*sites]
        self._folders = [*folders]

    def collect(self) -> Iterator[Metric]:
        """Measure journals and folders, and yield their metrics."""
        from persistq.metrics.families import families
        from persistq.metrics.folders import folder_families

        yield from families({site.name: _reading(site) for site in self._sites})
        if self._folders:
            yield from folder_families({path: _counts(path) for path in self._folders})


def exposition(sites: Iterable[Site], folders: Iterable[Path] = ()) -> str:
    """Return the metrics of journals and folders; what cannot be read is said not to be readable.

    Args:
        sites: The journals.
        folders: Directories that are queues.

    Raises:
        UsageError: prometheus_client is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, generate_latest
    except ImportError as error:
        raise UsageError(_EXTRA) from error
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(sites, folders))
    return generate_latest(registry).decode()


def replace(path: Path, text: str) -> None:
    """Write a file that is whole at any moment, also for who reads it just then.

    Crash: it is the old one, or the new one; what is left besides has a name that no collector
    reads, and is replaced at the next time.

    Raises:
        OSError: It cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    with suppress(FileNotFoundError):
        part.unlink()
    # Nobody else's file is written through a link, and nobody else can have made this one.
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _EVERYBODY)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - of a descriptor
        file.write(text)
    failpoints.point("metrics.before_replace")
    part.replace(path)


def _counts(path: Path) -> Counts | None:
    from persistq.folder.counting import counted

    found = counted(path)
    return None if isinstance(found, FolderError) else found


def _reading(site: Site) -> Reading | None:
    try:
        return reading_of(site)
    except JournalError:
        return None
