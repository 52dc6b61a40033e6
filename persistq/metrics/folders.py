"""The metrics of folders: what waits, is in hand and was put aside, and who puts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

from persistq.text.terminal import printable

if TYPE_CHECKING:
    from pathlib import Path

    from prometheus_client.core import Metric

    from persistq.folder.counting import Counts

    Counted = Mapping[Path, Counts | None]


def folder_families(counted: Counted) -> Iterator[Metric]:
    """Yield the metrics of folders.

    Args:
        counted: What lies in each; None of what could not be read.
    """
    read = {path: counts for path, counts in counted.items() if counts is not None}
    readable = {path: counts is not None for path, counts in counted.items()}
    yield _gauge("readable", "Whether the folder could be read.", readable)
    for name, says, value in _FILES:
        yield _gauge(name, says, {path: value(counts) for path, counts in read.items()})
    waits = {path: one.oldest for path, one in read.items() if one.oldest is not None}
    yield _gauge("oldest_waiting_seconds", "How long the first files wait at most.", waits)
    producers = GaugeMetricFamily(
        "persistq_folder_producers",
        "Producers of the round that is not over.",
        labels=("folder", "state"),
    )
    for path, counts in read.items():
        for state, count in counts.producers.items():
            producers.add_metric((printable(str(path)), state), count)
    yield producers


_Value = Callable[["Counts"], float]

_FILES: tuple[tuple[str, str, _Value], ...] = (
    ("paused", "Whether nobody is to claim anything.", lambda counts: counts.paused),
    ("waiting_files", "Files that wait.", lambda counts: counts.waiting),
    ("in_hand_files", "Files, or groups, that somebody has in hand.", lambda one: one.in_hand),
    ("lost_files", "Those of them whose owner is known to be dead.", lambda one: one.lost),
    ("parked_files", "Files, or groups, that were put aside.", lambda one: one.parked),
)


def _gauge(name: str, says: str, values: Mapping[Path, float]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(f"persistq_folder_{name}", says, labels=("folder",))
    for path, value in values.items():
        gauge.add_metric((printable(str(path)),), value)
    return gauge
